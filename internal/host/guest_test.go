package host

import "testing"

func TestVirtual(t *testing.T) {
	dmi := func(vendor, product string) map[string]string {
		return map[string]string{"class/dmi/id/sys_vendor": vendor + "\n", "class/dmi/id/product_name": product + "\n"}
	}
	for name, c := range map[string]struct {
		sys, proc      map[string]string
		virtual, known bool
	}{
		"nothing":            {nil, nil, false, false},
		"EC2 on Graviton":    {dmi("Amazon EC2", "c7g.large"), nil, true, true},
		"EC2 metal":          {dmi("Amazon EC2", "c7g.metal"), nil, false, true},
		"Azure":              {dmi("Microsoft Corporation", "Virtual Machine"), nil, true, true},
		"Surface":            {dmi("Microsoft Corporation", "Surface Pro"), nil, false, true},
		"Google":             {dmi("Google", "Google Compute Engine"), nil, true, true},
		"Altra server":       {dmi("GIGABYTE", "R152-P30-00"), nil, false, true},
		"QEMU":               {dmi("QEMU", "QEMU Virtual Machine"), nil, true, true},
		"Xen":                {map[string]string{"hypervisor/type": "xen\n"}, nil, true, true},
		"device tree, KVM":   {nil, map[string]string{"device-tree/hypervisor/compatible": "linux,kvm"}, true, true},
		"device tree, QEMU":  {nil, map[string]string{"device-tree/compatible": "linux,dummy-virt\x00"}, true, true},
		"device tree, fw":    {nil, map[string]string{"device-tree/fw-cfg@9020000/compatible": "qemu,fw-cfg-mmio"}, true, true},
		"device tree, board": {nil, map[string]string{"device-tree/compatible": "raspberrypi,5-model-b\x00brcm,bcm2712\x00"}, false, true},
		"device tree, a Pi":  {nil, map[string]string{"device-tree/model": "Raspberry Pi 5"}, false, true},
	} {
		sys, proc := write(t, t.TempDir(), c.sys), write(t, t.TempDir(), c.proc)
		if virtual, known := Virtual(sys, proc); virtual != c.virtual || known != c.known {
			t.Errorf("%s: virtual %v, known %v", name, virtual, known)
		}
	}
}
