//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"scgikit/bench/measure"
)

// The numbers of what is held open.
const (
	idleConnections = 1000
	waitingScripts  = 100
)

// settled is longer than what any of them does some time after the last request.
const settled = 8 * time.Second

// compareMemory prints what servers have in memory. Those that cannot hold many
// connections or scripts are not asked to.
func (b *bench) compareMemory() error {
	values := make([][5][]float64, len(b.peers))
	err := b.eachRound(func(i int, s *server) error {
		if s.peer.ask == nil {
			return nil
		}
		for range 200 {
			if err := s.peer.ask(s, request{script: "/hello"}); err != nil {
				return err
			}
		}
		time.Sleep(settled) // for what gives memory back some time after the work
		c, err := s.census()
		if err != nil {
			return err
		}
		row := &values[i]
		row[0] = append(row[0], c.rss)
		row[1] = append(row[1], c.pss)
		row[2] = append(row[2], c.threads)
		if s.peer.name != ours && s.peer.name != otherBuild {
			return nil
		}
		idle, err := s.withIdle()
		if err != nil {
			return err
		}
		row[3] = append(row[3], idle)
		threads, err := s.withScripts()
		row[4] = append(row[4], threads)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("\nmemory after 200 requests; %d rounds, median (min-max); all processes of the server together\n%-18s %-24s %-24s %-12s %-32s %s\n", b.rounds, "",
		"RSS KiB", "PSS KiB", "threads", fmt.Sprintf("RSS KiB, %d idle connections", idleConnections), fmt.Sprintf("threads, %d scripts run", waitingScripts))
	for i, p := range b.peers {
		if p.ask == nil {
			continue
		}
		var cells [5]string
		for k, list := range values[i] {
			cells[k] = "-"
			if len(list) > 0 {
				cells[k] = whole(list)
			}
		}
		fmt.Printf("%-18s %-24s %-24s %-12s %-32s %s\n", p.name, cells[0], cells[1], cells[2], cells[3], cells[4])
	}
	return nil
}

// census is what the processes of a server are together.
type census struct{ rss, pss, threads float64 }

func (s *server) census() (c census, err error) {
	pids, err := s.group.processes()
	if err != nil {
		return c, err
	}
	for _, pid := range pids {
		now, err := measure.MemoryOf(pid)
		if err != nil {
			return c, err
		}
		threads, err := measure.Threads(pid)
		if err != nil {
			return c, err
		}
		c.rss += float64(now.RSS)
		c.pss += float64(now.Pss)
		c.threads += float64(threads)
	}
	return c, nil
}

// withIdle returns the memory with connections that have sent half a request.
func (s *server) withIdle() (rss float64, err error) {
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close() // nothing was to come
		}
	}()
	for range idleConnections {
		conn, err := s.dial()
		if err != nil {
			return 0, err
		}
		open = append(open, conn)
		if _, err := conn.Write([]byte("24:")); err != nil {
			return 0, err
		}
	}
	// The one after them is answered when all of them have been taken.
	if err := s.peer.ask(s, request{script: "/hello"}); err != nil {
		return 0, err
	}
	c, err := s.census()
	return c.rss, err
}

// withScripts returns how many threads there are while scripts run.
func (s *server) withScripts() (threads float64, err error) {
	file := filepath.Join(s.bench.scripts, "go-on")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	var clients sync.WaitGroup
	failures := make(chan error, waitingScripts)
	for range waitingScripts {
		clients.Go(func() { failures <- s.peer.ask(s, request{script: "/wait"}) })
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		pids, err := s.group.processes()
		if err != nil {
			return 0, err
		}
		if len(pids) > waitingScripts {
			c, err := s.census()
			if err != nil {
				return 0, err
			}
			threads = c.threads - waitingScripts // a script has one
			break
		}
		if time.Since(begin) > patience {
			return 0, fmt.Errorf("%d processes of %d run", len(pids), waitingScripts+1)
		}
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return 0, err
	}
	clients.Wait()
	for range waitingScripts {
		err = errors.Join(err, <-failures)
	}
	return threads, err
}
