package diagmesh

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

const small = headroom + 40 // of a server that takes 40 bytes beside the headers

func sent(from string, body []byte) []*nats.Msg { return Chunks("_INBOX.x", from, body, small) }

func TestMixedRepeatedAndInAnyOrderEachIsWholeOnce(t *testing.T) {
	bodies := map[string][]byte{
		"orders/i1": bytes.Repeat([]byte("a1"), 100), "orders/i2": bytes.Repeat([]byte("b2"), 77), "orders/i3": []byte("c"),
	}
	for range 50 {
		var msgs []*nats.Msg
		for from, body := range bodies {
			msgs = append(msgs, sent(from, body)...)
		}
		msgs = append(msgs, msgs[:3]...)
		rand.Shuffle(len(msgs), func(i, j int) { msgs[i], msgs[j] = msgs[j], msgs[i] })
		var chunks Assembler
		whole := map[string]int{}
		for _, msg := range msgs {
			body, err := chunks.Take(msg)
			if err != nil {
				t.Fatal(err)
			}
			if from := msg.Header.Get(FromHeader); body != nil {
				if !bytes.Equal(body, bodies[from]) {
					t.Fatalf("%s: %q", from, body)
				}
				whole[from]++
			}
		}
		if len(whole) != 3 || whole["orders/i1"]+whole["orders/i2"]+whole["orders/i3"] != 3 {
			t.Fatalf("whole: %v", whole)
		}
		if chunks.held != 0 || len(chunks.Missing()) != 0 {
			t.Fatalf("held: %d bytes, missing: %v", chunks.held, chunks.Missing())
		}
	}
}

func TestWhatNobodyAskedForIsRefusedAndNotHeld(t *testing.T) {
	for body, takes := range map[string]bool{`{"chunks": true}`: true, `{"chunks": false}`: false, `{}`: false, ``: false} {
		chunks := Assembler{Unwanted: !takesChunks([]byte(body))}
		for _, msg := range sent("orders/i1", make([]byte, 100))[1:] {
			if _, err := chunks.Take(msg); (err == nil) != takes {
				t.Fatal(body, err)
			}
		}
		if (chunks.held > 0) != takes {
			t.Fatalf("%s: %d bytes are held", body, chunks.held)
		}
	}
}

func TestWhatIsLostIsNamed(t *testing.T) {
	var chunks Assembler
	for _, msg := range sent("orders/i1", make([]byte, 100))[1:] {
		if body, err := chunks.Take(msg); body != nil || err != nil {
			t.Fatal(body, err)
		}
	}
	if why := chunks.Missing()["orders/i1"]; why != "2 of 3 chunks of its reply came" {
		t.Fatal(why)
	}
}

func TestLiesAreErrors(t *testing.T) {
	for _, lie := range []struct{ header, value, says string }{
		{ChunkHeader, "4/3", "limits"},
		{ChunkHeader, "2/99", "limits"},
		{ChunkHeader, "2/3/4", "malformed"},
		{ChunkHeader, "2/4", "contradict"},
		{SizeHeader, "-1", "malformed"},
		{SizeHeader, "999999999", "limits"},
		{SizeHeader, "99", "contradict"},
		{DigestHeader, "abc", "malformed"},
		{DigestHeader, strings.Repeat("0", 64), "contradict"},
		{IDHeader, "", "malformed"},
		{FromHeader, "orders/i2", "contradict"},
	} {
		var chunks Assembler
		msgs := sent("orders/i1", make([]byte, 100))
		if _, err := chunks.Take(msgs[0]); err != nil {
			t.Fatal(err)
		}
		msgs[1].Header.Set(lie.header, lie.value)
		if _, err := chunks.Take(msgs[1]); err == nil || !strings.Contains(err.Error(), lie.says) {
			t.Errorf("%s: %q: %v", lie.header, lie.value, err)
		}
	}
}

func TestOtherBytesAreErrors(t *testing.T) {
	for says, change := range map[string]func([]*nats.Msg){
		"add up":            func(msgs []*nats.Msg) { msgs[2].Data = []byte("x0123456789012345678") },
		"instead of 100":    func(msgs []*nats.Msg) { msgs[2].Data = msgs[2].Data[1:] },
		"more than the 100": func(msgs []*nats.Msg) { msgs[2].Data = append([]byte("x"), msgs[2].Data...) },
		"came twice":        func(msgs []*nats.Msg) { msgs[1].Header.Set(ChunkHeader, "1/3"); msgs[1].Data = []byte("y") },
	} {
		var chunks Assembler
		msgs := sent("orders/i1", make([]byte, 100))
		change(msgs)
		var last error
		for _, msg := range msgs {
			if _, err := chunks.Take(msg); err != nil {
				last = err
			}
		}
		if last == nil || !strings.Contains(last.Error(), says) {
			t.Errorf("%s: %v", says, last)
		}
		if chunks.held != 0 {
			t.Errorf("%s: %d bytes are held", says, chunks.held)
		}
	}
}
