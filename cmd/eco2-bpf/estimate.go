package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/eco2-bpf/eco2-bpf/internal/calibrate"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/energy/nvml"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// gpus are the sources of GPUs.
var gpus = []energy.Opener{nvml.Open}

// zones are the models of the CPUs, by socket: of a calibration, or of the tables.
func (m *machine) zones(sysfs, scope string) ([]energy.ZoneModel, error) {
	if m.calibration != nil {
		return m.calibratedZones(sysfs)
	}
	model := m.model.As(scope)
	var zones []energy.ZoneModel
	for _, socket := range m.topo.Sockets() {
		zones = append(zones, energy.ZoneModel{
			Socket: socket, Die: -1, CPUs: m.topo.CPUsOf(socket, -1), Online: m.online(sysfs, socket, -1), Detail: m.unknown + model.How, Scope: model.Scope,
			Watts: func(cpus int, busy float64) energy.Bounds { return energy.Bounds(model.Watts(cpus, busy)) },
		})
	}
	if len(zones) == 0 {
		return nil, errors.New("no CPU is online in the topology")
	}
	return zones, nil
}

// online follows the CPUs of a socket or die as they come and go.
func (m *machine) online(sysfs string, socket, die int) func() []int {
	watch := host.WatchOnline(sysfs)
	cpus, possible := m.topo.CPUsOf(socket, die), len(m.topo)
	return func() []int {
		if watch.Changed() {
			topo, _ := host.ReadTopology(sysfs, possible)
			cpus = topo.CPUsOf(socket, die)
		}
		return cpus
	}
}

// readCalibration reads a model file.
func readCalibration(path string) (*powermodel.Calibration, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := powermodel.ReadCalibration(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &c, nil
}

func (m *machine) calibratedZones(sysfs string) ([]energy.ZoneModel, error) {
	fitted, err := m.calibration.Zones(m.cpu, m.topo.Sockets(), func(socket, die int) int { return len(m.topo.CPUsOf(socket, die)) })
	if err != nil {
		return nil, err
	}
	note := ""
	for _, d := range m.calibration.Conditions.Differs(calibrate.ReadConditions(sysfs, m.topo.CPUsOf(-1, -1))) {
		note += "; since then the " + d
	}
	var zones []energy.ZoneModel
	for _, z := range fitted {
		zones = append(zones, energy.ZoneModel{
			Name: z.Name, Socket: z.Socket, Die: z.Die, CPUs: m.topo.CPUsOf(z.Socket, z.Die), Detail: z.Detail + note, Scope: z.Scope,
			Watts: func(_ int, busy float64) energy.Bounds { return energy.Bounds(z.Watts(busy)) },
		})
	}
	return zones, nil
}

// memory is the model of the machine's memory.
func (m *machine) memory() (energy.Bounds, string, error) {
	if m.memoryErr != nil {
		return energy.Bounds{}, "", m.memoryErr
	}
	gb := float64(m.memoryBytes) / 1e9
	power := powermodel.RAM(gb)
	return energy.Bounds(power), fmt.Sprintf("%.1f GB at %.3g W/GB, whatever they do; measured servers: %.3g to %.3g W/GB",
		gb, float64(power.Value)/gb, float64(power.Low)/gb, float64(power.High)/gb), nil
}

// disk is the model of one of its disks.
func (m *machine) disk(d energy.Disk) energy.DiskModel {
	idle, active, how := powermodel.Disk(powermodel.DiskKind(d.Name, d.Rotational, m.cpu.Hypervisor || d.Remote != ""), d.Bytes)
	return energy.DiskModel{Idle: energy.Bounds(idle), Busy: energy.Bounds{
		Value: max(0, active.Value-idle.Value), Low: max(0, active.Low-idle.Low), High: max(0, active.High-idle.High, active.Value-idle.Value),
	}, Detail: d.Name + ": " + how}
}
