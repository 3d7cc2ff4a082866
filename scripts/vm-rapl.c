// SPDX-License-Identifier: GPL-2.0-or-later
// A plugin of qemu's TCG (11 and later) that answers RDMSR of the energy counters, so that a guest's own RAPL drivers work.
//
// The law: a domain of package s draws BASE*(s+1) watts of host time, which is the guest's time too. Counters begin where they wrap some time after
// the start: wrap=SECONDS after it for the package, a little later for the others. No header is packaged for plugins, so what is needed is declared here.
#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_register;
typedef struct {
	struct qemu_plugin_register *handle;
	const char *name;
	const char *feature;
} reg_descriptor; // and more, by version
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int, void *), int flags, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uintptr_t, uintptr_t), void *data);
void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*cb)(uintptr_t, uintptr_t), void *data);
GArray *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *reg, GByteArray *buf);
int qemu_plugin_write_register(struct qemu_plugin_register *reg, GByteArray *buf);
void qemu_plugin_set_pc(uint64_t vaddr);
void qemu_plugin_outs(const char *s);

#ifndef API
#define API 7
#endif
__attribute__((visibility("default"))) int qemu_plugin_version = API;

enum { RAX, RCX, RDX, RBX, REGS, RW_REGS_PC = 3 };
static const char *names[REGS] = { "rax", "rcx", "rdx", "rbx" };
static struct qemu_plugin_register *regs[REGS];
static int cpus_per_package = 1;
static double wrap_after = 60;
static double began;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t get(int r)
{
	GByteArray *buf = g_byte_array_new();
	uint64_t v = 0;
	qemu_plugin_read_register(regs[r], buf);
	memcpy(&v, buf->data, MIN(buf->len, sizeof v));
	g_byte_array_free(buf, true);
	return v;
}

static void put(int r, uint64_t v)
{
	GByteArray *buf = g_byte_array_new();
	g_byte_array_append(buf, (guint8 *)&v, sizeof v);
	qemu_plugin_write_register(regs[r], buf);
	g_byte_array_free(buf, true);
}

// counter of 32 bits: watts since the start, in steps of 2^-unit J, so that it wraps after that many seconds.
static uint64_t counter(double watts, int unit, double wraps)
{
	double steps = watts * (now() - began - wraps) * (1u << unit);
	return (uint32_t)(int64_t)steps;
}

static bool msr(uint32_t index, unsigned int cpu, uint64_t *v)
{
	int package = cpu / cpus_per_package, scale = package + 1;
	switch (index) {
	case 0x606: // MSR_RAPL_POWER_UNIT: 1/8 W, 2^-14 J, 2^-10 s
		*v = 0xa0e03;
		return true;
	case 0xc0010299: // AMD's: 2^-16 J
		*v = 0xa1003;
		return true;
	case 0x610: // MSR_PKG_POWER_LIMIT, and its info
	case 0x614:
		*v = 0x480;
		return true;
	case 0x611: // MSR_PKG_ENERGY_STATUS
		*v = counter(40.0 * scale, 14, wrap_after);
		return true;
	case 0x639: // MSR_PP0_ENERGY_STATUS
		*v = counter(25.0 * scale, 14, wrap_after + 5);
		return true;
	case 0x619: // MSR_DRAM_ENERGY_STATUS: 2^-16 J on servers, whatever the unit says
		*v = counter(8.0 * scale, 16, wrap_after + 3);
		return true;
	case 0xc001029b: // MSR_AMD_PKG_ENERGY_STATUS
		*v = counter(40.0 * scale, 16, wrap_after);
		return true;
	case 0xc001029a: // MSR_AMD_CORE_ENERGY_STATUS: cores differ by their number
		*v = counter(5.0 + cpu, 16, wrap_after + 5);
		return true;
	}
	return false;
}

static void on_rdmsr(unsigned int cpu, void *next)
{
	uint64_t v;
	if (!msr(get(RCX), cpu, &v))
		return;
	put(RAX, (uint32_t)v);
	put(RDX, v >> 32);
	qemu_plugin_set_pc((uintptr_t)next);
}

// on_cpuid adds the bit that tells the perf driver of AMD's RAPL.
static void on_cpuid(unsigned int cpu, void *next)
{
	if ((uint32_t)get(RAX) != 0x80000007)
		return;
	put(RAX, 0);
	put(RBX, 0);
	put(RCX, 0);
	put(RDX, 1 << 14);
	qemu_plugin_set_pc((uintptr_t)next);
}

// on_block is called with (id, block) or, from API 6 or 7 on, with (block, data): data is NULL.
static void on_block(uintptr_t a, uintptr_t b)
{
	struct qemu_plugin_tb *tb = (void *)(b ? b : a);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned char code[2] = {};
		if (qemu_plugin_insn_size(insn) != 2 || qemu_plugin_insn_data(insn, code, 2) != 2 || code[0] != 0x0f)
			continue;
		void *next = (void *)(uintptr_t)(qemu_plugin_insn_vaddr(insn) + 2);
		if (code[1] == 0x32)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_rdmsr, RW_REGS_PC, next);
		else if (code[1] == 0xa2)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_cpuid, RW_REGS_PC, next);
	}
}

static void on_vcpu(uintptr_t a, uintptr_t b)
{
	GArray *all = qemu_plugin_get_registers();
	for (guint i = 0; i < all->len; i++) {
		reg_descriptor *d = (void *)(all->data + i * g_array_get_element_size(all));
		for (int r = 0; r < REGS; r++)
			if (!strcmp(d->name, names[r]))
				regs[r] = d->handle;
	}
	g_array_free(all, true);
}

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (g_str_has_prefix(argv[i], "cpus="))
			cpus_per_package = atoi(argv[i] + 5);
		if (g_str_has_prefix(argv[i], "wrap="))
			wrap_after = atof(argv[i] + 5);
	}
	began = now();
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu, NULL);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_block, NULL);
	return 0;
}
