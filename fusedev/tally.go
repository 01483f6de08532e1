
// addShared is add for a tally that several threads use.
func (t *tally) addShared(op abi.Opcode, failed bool) {
	if op >= opcodes {
		op = 0
	}
	t.n[op].Add(1)
	if failed {
		t.failed[op].Add(1)
	}
}
