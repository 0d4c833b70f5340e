// Command hello is the least that a Go program is: the limit for a binary's size.
package main

import "fmt"

func main() { fmt.Println("hello, world") }
