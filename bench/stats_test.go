package bench

import (
	"math"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want float64
	}{
		{[]float64{3}, 3}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5},
	} {
		before := slices.Clone(c.x)
		if got := Median(c.x); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.x, got, c.want)
		}
		if !slices.Equal(c.x, before) {
			t.Errorf("Median changed %v to %v", before, c.x)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

func TestBootstrap(t *testing.T) {
	same := Bootstrap([]float64{2, 2, 2, 2}, 1)
	if same != (Interval{2, 2, 2}) {
		t.Errorf("equal values: %+v", same)
	}
	x := []float64{1.1, 0.9, 1.4, 1.0, 1.2, 0.8, 1.05, 1.15, 0.95, 1.3, 1.0}
	a, b := Bootstrap(x, 1), Bootstrap(x, 1)
	if a != b {
		t.Errorf("not deterministic: %+v, %+v", a, b)
	}
	if a.Mid != 1.05 || a.Lo >= a.Mid || a.Hi <= a.Mid || a.Lo < 0.8 || a.Hi > 1.4 {
		t.Errorf("%+v", a)
	}
	if outlier := Bootstrap(append(slices.Clone(x), 1000), 1); outlier.Hi > 1.4 {
		t.Errorf("one wild pair moves the interval to %+v", outlier)
	}
	if !math.IsNaN(Bootstrap(nil, 1).Lo) {
		t.Error("nothing has an interval")
	}
}

// TestBootstrapCovers: of many samples of a known distribution about 95 % of the intervals hold its median.
func TestBootstrapCovers(t *testing.T) {
	seed := uint64(88172645463325252)
	uniform := func() float64 { // xorshift: the sequence is the same everywhere
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return float64(seed>>11) / (1 << 53)
	}
	held, runs := 0, 200
	for i := range runs {
		x := make([]float64, 15)
		for k := range x {
			x[k] = uniform()
		}
		if in := Bootstrap(x, uint64(i)); in.Lo <= 0.5 && 0.5 <= in.Hi {
			held++
		}
	}
	if held < runs*88/100 {
		t.Errorf("%d of %d intervals hold the median", held, runs)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		lo, hi, goal, spread float64
		want                 Verdict
	}{
		{1.0, 1.2, 1.0, 0, Passes},
		{0.97, 1.2, 1.0, 0.04, Passes},
		{0.97, 1.2, 1.0, 0.02, Undecided},
		{0.90, 1.2, 1.0, 0.50, Undecided}, // noise does not help
		{0.90, 0.99, 1.0, 0.02, FallsShort},
		{0.97, 0.99, 1.0, 0.04, Passes}, // within the spread
		{2.4, 2.6, 2.5, 0, Undecided},
		{0.1, 0.2, 0, 0, NoGoal},
		{math.NaN(), math.NaN(), 1, 0, Undecided},
	} {
		if got := Judge(Interval{1, c.lo, c.hi}, c.goal, c.spread); got != c.want {
			t.Errorf("[%v, %v] against %v, spread %v: %q, want %q", c.lo, c.hi, c.goal, c.spread, got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct{ lo, hi, want float64 }{{0.9, 1.02, 0.1}, {0.98, 1.25, 0.25}, {1, 1, 0}} {
		if got := Spread(Interval{1, c.lo, c.hi}); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("[%v, %v]: %v, want %v", c.lo, c.hi, got, c.want)
		}
	}
}
