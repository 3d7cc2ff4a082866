package identity

import "strings"

// slurmLevel is how far down Slurm's tree a path has come.
type slurmLevel int

const (
	slurmNone slurmLevel = iota
	slurmRoot
	slurmUser
	slurmJob
	slurmStep
)

// slurmName takes Slurm's names. Version 1: slurm/uid_UID/job_JOB/step_STEP/task_N at the root, or slurm_NODE where a machine has several
// daemons. Version 2: slurmstepd.scope/job_JOB/step_STEP/user/task_N, or NODE_slurmstepd.scope (the cgroup_v2 page of Slurm's manual).
// Neither can be made without rights to the root of the hierarchy or to the system's manager.
func (w *tenantWalk) slurmName(name string) {
	prefix, id, _ := strings.Cut(name, "_")
	switch {
	case w.depth == 0 && prefix == "slurm", w.t.Unit == name && !w.t.UserUnit && isSlurmScope(name):
		w.slurm = slurmRoot
	case w.slurm == slurmRoot && prefix == "uid":
		w.slurm = slurmUser
		if uid, ok := parseUID(id); ok && w.t.Owner < 0 && !w.contained {
			w.t.Owner = uid
		}
	case (w.slurm == slurmRoot || w.slurm == slurmUser) && prefix == "job" && isSlurmID(id) && w.t.Job == "":
		w.slurm, w.t.Job = slurmJob, id
	case w.slurm == slurmJob && prefix == "step" && isSlurmID(id):
		w.slurm, w.t.Step = slurmStep, id
	default:
		w.slurm = slurmNone
	}
}

func isSlurmScope(name string) bool {
	return name == "slurmstepd.scope" || strings.HasSuffix(name, "_slurmstepd.scope")
}

// isSlurmID: numbers, the words for steps that are none, and the signs of arrays and heterogeneous jobs.
func isSlurmID(s string) bool {
	return len(s) <= 64 && all(s, func(c byte) bool { return isAlnum(c) || c == '_' || c == '+' || c == '.' })
}
