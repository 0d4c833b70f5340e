//go:build linux

package service

import (
	"fmt"
	"time"
)

// users keeps the account of what each uid has of the service. It is guarded by the master's lock.
type users struct {
	total int // connections
	all   map[uint32]*user
}

// A user is one uid's connections and calls.
type user struct {
	connections int
	calls       float64 // that may be made now: at most a second's
	at          time.Time
}

// connect counts a connection, or says why there may be none.
func (u *users) connect(uid uint32, l Limits, now time.Time) error {
	one := u.all[uid]
	switch {
	case u.total >= l.Connections:
		return fmt.Errorf("the service has %d connections already, which is its limit", u.total)
	case one != nil && one.connections >= l.PerUser:
		return fmt.Errorf("uid %d has %d connections to the service already, which is its limit", uid, one.connections)
	case one == nil:
		u.forget(l, now)
		one = &user{calls: float64(l.Calls), at: now}
		u.all[uid] = one
	}
	u.total++
	one.connections++
	return nil
}

func (u *users) disconnect(uid uint32) {
	u.total--
	u.all[uid].connections--
}

// forget drops who is not connected and would begin anew with as many calls as are left.
func (u *users) forget(l Limits, now time.Time) {
	for uid, one := range u.all {
		if one.connections == 0 && one.earn(l, now) >= float64(l.Calls) {
			delete(u.all, uid)
		}
	}
}

// take gives a connected user up to n calls.
func (u *users) take(uid uint32, n int, l Limits, now time.Time) int {
	if l.Calls < 0 {
		return n
	}
	one := u.all[uid]
	n = min(n, int(one.earn(l, now)))
	one.calls -= float64(n)
	return n
}

// earn adds what has come up since the last time.
func (u *user) earn(l Limits, now time.Time) float64 {
	u.calls = min(float64(l.Calls), u.calls+now.Sub(u.at).Seconds()*float64(l.Calls))
	u.at = now
	return u.calls
}

// batch is how many calls a worker is given at a time: few enough that what a connection leaves unused is no loss, and
// enough that it need not ask for each.
func (l Limits) batch() int { return max(1, min(64, l.Calls/16)) }
