# Counts the tests of a `go test -v` log and lists those that skipped with "need ...:"; exits 3 if there are any.
/^=== (RUN|CONT|NAME) / { test = $3 }
$0 ~ need {
	reason = $0
	sub(/^.*\.go:[0-9]+: /, "", reason)
	why[test] = reason
}
/^ *--- PASS: / { passed++ }
/^ *--- FAIL: / { failed++ }
/^ *--- SKIP: / {
	skipped++
	if ($3 in why) list[++needs] = $3 ": " why[$3]
}
/^(ok|FAIL)[ \t]/ { split("", why) } # the next package may use the same names
END {
	for (i = 1; i <= needs; i++) print "SKIPPED: " list[i]
	printf "%d passed, %d failed, %d skipped (%d of them for want of something)\n", passed, failed, skipped, needs
	if (needs) exit 3
}
