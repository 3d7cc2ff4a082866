package bpf

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// CountsInterrupts tells whether this kernel counts time in interrupts apart, and does not charge it to the tasks that they interrupt
// (CONFIG_IRQ_TIME_ACCOUNTING); if not, or if that cannot be told, why. It needs the privileges that Open needs, and up to a tenth of a second.
func CountsInterrupts() (bool, string) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return false, fmt.Sprintf("whether the kernel counts time in interrupts apart is not known: read its types: %v", err)
	}
	var irqtime *btf.Struct // kernel/sched/sched.h has it under that option only
	if err := spec.TypeByName("irqtime", &irqtime); errors.Is(err, btf.ErrNotFound) {
		return false, "the kernel is built without CONFIG_IRQ_TIME_ACCOUNTING: time in interrupts is charged to whom they interrupt"
	}
	count, err := openPerCPU(spec, "cpu_irqtime", "total")
	if err != nil {
		return false, fmt.Sprintf("whether the kernel counts time in interrupts apart is not known: %v", err)
	}
	defer count.Close()
	return judgeInterrupts(count.all)
}

// judgeInterrupts reads the time in interrupts by CPU until it grows. That it is in the kernel is not enough: it is off without a clock
// that is fast and stable, and then stays as it was. While this thread sleeps its own timer interrupts some CPU.
func judgeInterrupts(read func() ([]uint32, error)) (bool, string) {
	const tries, pause = 10, 10 * time.Millisecond
	var first []uint32
	for range tries {
		now, err := read()
		if err != nil {
			return false, fmt.Sprintf("whether the kernel counts time in interrupts apart is not known: %v", err)
		}
		for cpu, n := range first {
			if n != now[cpu] {
				return true, ""
			}
		}
		first = now
		time.Sleep(pause)
	}
	return false, "the kernel could count time in interrupts apart, but does not: its clock is too slow or not stable (or tsc=noirqtime says so)"
}

// perCPU reads a variable that the kernel has for each CPU.
type perCPU struct {
	prog *ebpf.Program
	ncpu int
}

// openPerCPU finds a member of 64 bits in a variable that is a struct. Kernels that do not name their data (CONFIG_KALLSYMS_ALL) do not
// let it be found.
func openPerCPU(spec *btf.Spec, name, member string) (*perCPU, error) {
	var v *btf.Var
	if err := spec.TypeByName(name, &v); err != nil {
		return nil, fmt.Errorf("find the kernel's %s: %w", name, err)
	}
	id, err := spec.TypeID(v)
	if err != nil {
		return nil, fmt.Errorf("find the kernel's %s: %w", name, err)
	}
	offset, err := offsetOf(v.Type, member)
	if err != nil {
		return nil, fmt.Errorf("find the kernel's %s: %w", name, err)
	}
	ncpu, err := PossibleCPUs()
	if err != nil {
		return nil, err
	}
	if err := allowMemlock(); err != nil {
		return nil, err
	}
	const byTypeID = asm.Register(3) // BPF_PSEUDO_BTF_ID
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "per_cpu", Type: ebpf.RawTracepoint, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord), // the CPU
			asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R1, Src: byTypeID, Constant: int64(id)},
			asm.FnPerCpuPtr.Call(),
			asm.JEq.Imm(asm.R0, 0, "exit"),
			asm.LoadMem(asm.R0, asm.R0, int16(offset), asm.DWord),
			asm.Return().WithSymbol("exit"),
		},
	})
	if err != nil {
		return nil, explain("read the kernel's "+name, err)
	}
	return &perCPU{prog, ncpu}, nil
}

// offsetOf is where a member of a struct begins, in bytes.
func offsetOf(t btf.Type, member string) (uint32, error) {
	s, ok := btf.As[*btf.Struct](t)
	if !ok {
		return 0, fmt.Errorf("a %T, not a struct", t)
	}
	for _, m := range s.Members {
		size, err := btf.Sizeof(m.Type)
		if m.Name == member && err == nil && size == 8 && m.BitfieldSize == 0 && m.Offset.Bytes() < 1<<15 {
			return m.Offset.Bytes(), nil
		}
	}
	return 0, fmt.Errorf("no %s of 64 bits in struct %s", member, s.Name)
}

// all returns the lower half of the value on each CPU that there can be.
func (p *perCPU) all() ([]uint32, error) {
	var args [2]uint64
	all := make([]uint32, p.ncpu)
	for cpu := range all {
		args[0] = uint64(cpu)
		n, err := p.prog.Run(&ebpf.RunOptions{Context: args})
		if err != nil {
			return nil, fmt.Errorf("read it on cpu %d: %w", cpu, err)
		}
		all[cpu] = n
	}
	return all, nil
}

func (p *perCPU) Close() error { return p.prog.Close() }
