//go:build !race

package client_test

// raceDetector says that this binary is built with -race: slower, and its memory is the detector's.
const raceDetector = false
