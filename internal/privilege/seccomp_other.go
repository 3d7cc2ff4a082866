//go:build !amd64 && !arm64

package privilege

import "errors"

func seccompFence(Needs) (detail string, notes []string, err error) {
	return "", nil, errors.New("it has no filter for this architecture")
}
