// Package model holds tests alone: two formal models for spin(1), of the lock between processes (locks.pml) and of one call
// from its start to its end (call.pml). Each is searched whole, for every order in which its processes can run; and each is
// searched again with one of its safeguards left out, which must fail, or the model would see nothing.
package model
