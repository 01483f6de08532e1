package pjdfstest

import "testing"

func TestParse(t *testing.T) {
	const head = "chmod::a  ok\nlink::b  skipped\n\twhy\nopen::c  FAILED\n\tassertion\nrename::d  ok\n\n"
	r, err := Parse(head + "Summary: 1 failed, 1 skipped, 396 passed, 0 expected failures, 398 total\n")
	if err != nil || r.Failed != 1 || r.Passed != 396 || len(r.Skips) != 1 || r.Skips[0] != "link::b" {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := Failures(head); got != "open::c  FAILED\n\tassertion\n" {
		t.Errorf("failures: %q", got)
	}
	for _, bad := range []string{
		head,
		"Summary: 0 failed, 0 skipped, 1 passed, 0 expected failures, 1 total\n",
		"Summary: 0 failed, 14 skipped, 384 passed, 0 expected failures, 398 total\n",
		head + "Summary: 0 failed, 1 skipped, 396 passed, 1 expected failures, 398 total\n",
	} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("accepted: %q", bad)
		}
	}
}
