//go:build !race

package lockutils_test

const raceDetector = false
