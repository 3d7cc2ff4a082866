// load is the program in tests' containers: "load sleep DURATION" or "load spin DURATION", which keeps one CPU busy.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Println("usage: load sleep|spin DURATION")
		os.Exit(2)
	}
	d, err := time.ParseDuration(os.Args[2])
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	end := time.Now().Add(d)
	if os.Args[1] == "sleep" {
		time.Sleep(d)
	}
	for time.Now().Before(end) {
	}
	fmt.Println(os.Args[1], d)
}
