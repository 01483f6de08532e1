package bench

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Interval is an estimate with the ends of its 95 % interval.
type Interval struct {
	Mid float64 `json:"mid"`
	Lo  float64 `json:"lo"`
	Hi  float64 `json:"hi"`
}

// resamples is enough for the ends of the interval to move by less than a percent of its width from seed to seed.
const resamples = 4000

// Median of x, which is not changed; NaN of nothing.
func Median(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	return medianInPlace(slices.Clone(x))
}

func medianInPlace(x []float64) float64 {
	slices.Sort(x)
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}

// Bootstrap is the median of x with its 95 % percentile bootstrap interval. The same x and seed give the same interval.
func Bootstrap(x []float64, seed uint64) Interval {
	if len(x) == 0 {
		return Interval{math.NaN(), math.NaN(), math.NaN()}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	medians, sample := make([]float64, resamples), make([]float64, len(x))
	for i := range medians {
		for k := range sample {
			sample[k] = x[rng.IntN(len(x))]
		}
		medians[i] = medianInPlace(sample)
	}
	slices.Sort(medians)
	return Interval{Median(x), medians[resamples*25/1000], medians[resamples*975/1000-1]}
}

// MaxSpread bounds what noise may give away: on a machine that is noisier than this, rows end undecided instead of passing.
const MaxSpread = 0.05

// Spread says how far the interval of a server against itself reaches away from 1.
func Spread(aa Interval) float64 { return max(1-aa.Lo, aa.Hi-1, 0) }

// Verdict is what a row says about its goal.
type Verdict string

const (
	NoGoal     Verdict = ""
	Passes     Verdict = "passes"
	FallsShort Verdict = "falls short"
	Undecided  Verdict = "undecided"
)

// Judge compares a ratio with "at least goal". It passes if the lower end reaches the goal less the spread of the run against itself
// (MaxSpread at most), falls short if the upper end is below the goal, and is undecided otherwise. Goal 0 means that there is none.
func Judge(ratio Interval, goal, spread float64) Verdict {
	switch {
	case goal == 0:
		return NoGoal
	case ratio.Lo >= goal*(1-min(spread, MaxSpread)):
		return Passes
	case ratio.Hi < goal:
		return FallsShort
	}
	return Undecided
}
