package harm

import (
	"context"
	"fmt"
	"net"
	"os"

	"diagmesh.test/demo/internal/faults"
)

// LeakDescriptors opens amount files every second, up to cap.
func LeakDescriptors(ctx context.Context, setting faults.Setting) error {
	var open []*os.File
	err := grow(ctx, setting.Amount, setting.Cap, func() error {
		file, err := os.Open(os.DevNull)
		if err == nil {
			open = append(open, file)
		}
		return err
	})
	for _, file := range open {
		_ = file.Close() // only ever read from
	}
	return err
}

// LeakSockets accepts amount connections every second, up to cap, whose peers have closed: CLOSE_WAIT.
func LeakSockets(ctx context.Context, setting faults.Setting) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	var open []net.Conn
	err = grow(ctx, setting.Amount, setting.Cap, func() error {
		accepted, err := visit(listener)
		if err == nil {
			open = append(open, accepted)
		}
		return err
	})
	for _, connection := range open {
		_ = connection.Close() // the peer has gone, nothing can be lost
	}
	return err
}

// visit connects to the listener and closes; the accepted end is left open.
func visit(listener net.Listener) (net.Conn, error) {
	visitor, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("no socket left: %w", err)
	}
	defer visitor.Close()
	return listener.Accept()
}
