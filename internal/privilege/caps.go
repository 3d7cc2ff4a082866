package privilege

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// dropCaps leaves every thread with those of keep that are permitted now. libcap runs each call on all threads, those of C included.
func dropCaps(keep []Cap) (notes []string, err error) {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return nil, fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := cap.ResetAmbient(); err != nil {
		return nil, fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	if err := emptyBounding(); errors.Is(err, unix.EPERM) {
		notes = append(notes, "the bounding set stays: emptying it takes CAP_SETPCAP; no_new_privs keeps programs from using it")
	} else if err != nil {
		return notes, err
	}
	was, now := cap.GetProc(), cap.NewSet()
	for _, c := range keep {
		if have, err := was.GetFlag(cap.Permitted, c); err != nil || !have {
			continue
		}
		for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
			if err := now.SetFlag(flag, true, c); err != nil {
				return notes, fmt.Errorf("keep %s: %w", c, err)
			}
		}
	}
	if err := now.SetProc(); err != nil {
		return notes, fmt.Errorf("drop capabilities: %w", err)
	}
	return notes, nil
}

// emptyBounding keeps root from getting capabilities back by executing a program.
func emptyBounding() error {
	var set []Cap
	for c := Cap(0); c < cap.MaxBits(); c++ {
		if in, err := cap.GetBound(c); err == nil && in {
			set = append(set, c)
		}
	}
	if len(set) == 0 {
		return nil
	}
	have, err := cap.GetProc().GetFlag(cap.Permitted, cap.SETPCAP)
	if err == nil && !have {
		return unix.EPERM
	}
	if err := cap.DropBound(set...); err != nil {
		return fmt.Errorf("empty the bounding set: %w", err)
	}
	return nil
}

// names are those of a mask, as the manual page spells them.
func names(mask uint64) []string {
	var out []string
	for c := Cap(0); c < 64; c++ {
		if mask&(1<<c) != 0 {
			out = append(out, strings.ToUpper(c.String()))
		}
	}
	return out
}
