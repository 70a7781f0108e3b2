// Talker is a service that says a lot, and ends in all the ways in which a Go program can end.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var count int

// note puts a number where the test finds it without going through any of our pipes.
func note(file string, what any) {
	if err := os.WriteFile(file+".part", []byte(fmt.Sprint(what)), 0o600); err == nil {
		_ = os.Rename(file+".part", file)
	}
}

func main() {
	mode, file := os.Args[1], os.Args[2]
	switch mode {
	case "exact": // so many bytes to both streams, each a known sequence of lines
		size, _ := strconv.Atoi(os.Args[3])
		var both sync.WaitGroup
		for _, stream := range []*os.File{os.Stdout, os.Stderr} {
			both.Add(1)
			go func() {
				defer both.Done()
				writer := bufio.NewWriterSize(stream, 8192)
				defer writer.Flush()
				for written, line := 0, 0; written < size; line++ {
					n, _ := fmt.Fprintf(writer, "%s line %d\x00\xff\n", stream.Name(), line)
					written += n
				}
			}()
		}
		both.Wait()
	case "flood": // says a kilobyte a time, for ever, and counts on
		line := make([]byte, 1024)
		for i := range line {
			line[i] = 'x'
		}
		line[1023] = '\n'
		for last := time.Now(); ; count++ {
			if _, err := os.Stdout.Write(line); err != nil {
				note(file+".error", err)
			}
			if count%16 == 0 {
				fmt.Fprintln(os.Stderr, "at", count)
				time.Sleep(time.Millisecond)
			}
			if time.Since(last) > 20*time.Millisecond {
				last = time.Now()
				note(file, count)
			}
		}
	case "signals": // writes down every signal; ends with 7 at the second SIGTERM
		heard := make(chan os.Signal, 16)
		signal.Notify(heard, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
		note(file, "")
		said := ""
		for one := range heard {
			said += fmt.Sprintln(one)
			note(file, said)
			if one == syscall.SIGTERM {
				os.Exit(0)
			}
		}
	case "panic":
		fmt.Println("token=verysecret1234")
		var numbers []int
		count = numbers[count+7]
	case "crowd": // panics with so many goroutines that the end of the dump says nothing
		for range 3000 {
			go func() { select {} }()
		}
		time.Sleep(100 * time.Millisecond)
		panic("crowded out nats://user:hidden@host")
	case "fatal":
		table := map[int]int{}
		for n := range 8 {
			go func() {
				for {
					table[n]++
				}
			}()
		}
		select {}
	case "exit":
		fmt.Println("panic: this was caught and is told for no reason")
		code, _ := strconv.Atoi(os.Args[3])
		os.Exit(code)
	case "eat": // memory without end
		var kept [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			kept = append(kept, block)
			note(file, len(kept))
			time.Sleep(20 * time.Millisecond)
		}
	case "sleep":
		note(file, os.Getpid())
		select {
		case <-time.After(time.Hour):
		}
	}
}
