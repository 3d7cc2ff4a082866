package live

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// process is a helper that runs. It waits for bytes on its standard input, and ends when that does.
type process struct {
	cmd   *exec.Cmd
	gate  *os.File
	lines *bufio.Reader
	out   *os.File
}

// spawn starts a helper in cgroups and returns when it says that it is ready.
func spawn(name string, groups []string, args any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	in, gate, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	lines, out, err := os.Pipe()
	if err != nil {
		gate.Close()
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(self, string(text)), gate: gate, lines: bufio.NewReader(lines), out: lines}
	env := append(os.Environ(), helperEnv+"="+name)
	for i, dir := range groups {
		if i == 0 {
			env = append(env, groupsEnv+"="+dir)
		} else {
			env[len(env)-1] += string(filepath.ListSeparator) + dir
		}
	}
	p.cmd.Env, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = env, in, out, os.Stderr
	if err := p.cmd.Start(); err != nil {
		gate.Close()
		lines.Close()
		return nil, fmt.Errorf("start helper %s: %w", name, err)
	}
	out.Close() // else no end of it would ever be read
	if line, err := p.lines.ReadString('\n'); line != "ready\n" {
		p.kill()
		return nil, fmt.Errorf("helper %s says %q: %w", name, line, err)
	}
	return p, nil
}

// signal sends it a byte.
func (p *process) signal() error {
	_, err := p.gate.Write([]byte{'g'})
	return err
}

// end ends it and waits for it.
func (p *process) end() error {
	p.gate.Close()
	err := p.cmd.Wait()
	p.out.Close()
	return err
}

// kill ends it, whatever it does.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill() // it may just have ended
		_ = p.cmd.Wait()         // killed
	}
	p.gate.Close()
	p.out.Close()
}
