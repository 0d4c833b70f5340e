//go:build race

package hostile

// raceEnabled says that memory cannot be measured: the detector keeps several bytes for each of ours.
const raceEnabled = true
