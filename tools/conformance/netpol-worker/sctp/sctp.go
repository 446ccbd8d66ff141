// Package sctp opens SCTP associations just far enough to tell whether a policy lets them through: INIT and INIT ACK over a raw
// socket (RFC 9260 §5.1). A kernel built without SCTP sockets still routes, translates and tracks such packets, so network
// policy for SCTP can be judged there too. It needs CAP_NET_RAW.
package sctp

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"time"
)

const (
	network       = "ip4:132"
	headerLength  = 12
	chunkLength   = 20
	typeInit      = 1
	typeInitAck   = 2
	receiveWindow = 65536
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// packet is the common header and the first fields of an INIT or INIT ACK chunk.
type packet struct {
	source, destination uint16
	verification        uint32
	kind                byte
	initiateTag         uint32
}

// Serve answers every INIT for the port with an INIT ACK until the socket fails.
func Serve(port uint16) error {
	socket, err := net.ListenPacket(network, "0.0.0.0")
	if err != nil {
		return fmt.Errorf("raw socket: %w", err)
	}
	defer socket.Close()
	buffer := make([]byte, 2048)
	for {
		length, peer, err := socket.ReadFrom(buffer)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		received, ok := parse(buffer[:length])
		if !ok || received.kind != typeInit || received.destination != port {
			continue
		}
		answer := packet{port, received.source, received.initiateTag, typeInitAck, rand.Uint32() | 1}
		// A reply that cannot be sent is a connection that fails, which is for the client to report.
		_, _ = socket.WriteTo(answer.bytes(), peer)
	}
}

// Connect sends one INIT and waits for its INIT ACK until the context ends.
func Connect(ctx context.Context, address net.IP, port uint16) error {
	socket, err := net.ListenPacket(network, "0.0.0.0")
	if err != nil {
		return fmt.Errorf("raw socket: %w", err)
	}
	defer socket.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := socket.SetDeadline(deadline); err != nil {
			return fmt.Errorf("deadline: %w", err)
		}
	}
	asked := packet{uint16(20000 + rand.IntN(40000)), port, 0, typeInit, rand.Uint32() | 1}
	if _, err := socket.WriteTo(asked.bytes(), &net.IPAddr{IP: address}); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return awaitAnswer(socket, asked)
}

func awaitAnswer(socket net.PacketConn, asked packet) error {
	buffer := make([]byte, 2048)
	for {
		length, _, err := socket.ReadFrom(buffer)
		if err != nil {
			return fmt.Errorf("no INIT ACK: %w", err)
		}
		answer, ok := parse(buffer[:length])
		if ok && answer.kind == typeInitAck && answer.destination == asked.source && answer.verification == asked.initiateTag {
			return nil
		}
	}
}

func (p packet) bytes() []byte {
	content := make([]byte, 0, headerLength+chunkLength)
	content = binary.BigEndian.AppendUint16(content, p.source)
	content = binary.BigEndian.AppendUint16(content, p.destination)
	content = binary.BigEndian.AppendUint32(content, p.verification)
	content = binary.BigEndian.AppendUint32(content, 0)
	content = append(content, p.kind, 0, 0, chunkLength)
	content = binary.BigEndian.AppendUint32(content, p.initiateTag)
	content = binary.BigEndian.AppendUint32(content, receiveWindow)
	content = binary.BigEndian.AppendUint16(content, 1)
	content = binary.BigEndian.AppendUint16(content, 1)
	content = binary.BigEndian.AppendUint32(content, uint32(time.Now().UnixNano()))
	binary.LittleEndian.PutUint32(content[8:], crc32.Checksum(content, castagnoli))
	return content
}

func parse(content []byte) (packet, bool) {
	if len(content) < headerLength+chunkLength {
		return packet{}, false
	}
	return packet{
		source:       binary.BigEndian.Uint16(content),
		destination:  binary.BigEndian.Uint16(content[2:]),
		verification: binary.BigEndian.Uint32(content[4:]),
		kind:         content[headerLength],
		initiateTag:  binary.BigEndian.Uint32(content[headerLength+4:]),
	}, true
}
