//go:build !race

package service_test

const atExit = 0
