/* SPDX-License-Identifier: Apache-2.0 */
/* Loads for tests of scale: thousands of processes that are small and start fast.
 *   load sleepers N             N processes that sleep, until stdin ends
 *   load burn US                so much CPU time
 *   load storm FILE RATE S US   fork and exec FILE burn US, at most RATE a second, for S seconds; then prints how many, and their CPU time in us
 *   load tenants N US A:B...    N processes in the cgroups A and B each; at a line on stdin each burns a multiple of US; then prints "done" */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long us_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void burn(long us)
{
	while (us_of(CLOCK_PROCESS_CPUTIME_ID) < us)
		;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void wait_for_end(void)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
}

static int sleepers(int n)
{
	setpgid(0, 0);
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			close(0);
			close(1);
			for (;;)
				pause();
		}
	}
	puts("ready");
	fflush(stdout);
	wait_for_end();
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(0) > 0)
		;
	return 0;
}

static int storm(char *file, long rate, long seconds, char *us)
{
	char *args[] = { file, "burn", us, 0 };
	long start = us_of(CLOCK_MONOTONIC), n = 0, now;
	struct rusage ru;

	while ((now = us_of(CLOCK_MONOTONIC) - start) < seconds * 1000000) {
		while (waitpid(-1, 0, WNOHANG) > 0)
			;
		if (n > now / 1000 * rate / 1000) {
			usleep(200);
			continue;
		}
		pid_t pid = vfork();

		if (pid < 0)
			die("vfork");
		if (pid == 0) {
			execv(file, args);
			_exit(127);
		}
		n++;
	}
	while (wait(0) > 0)
		;
	getrusage(RUSAGE_CHILDREN, &ru);
	printf("%ld %ld\n", n, (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000L + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	return 0;
}

static void join(const char *dir)
{
	char procs[4096];
	int fd;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	fd = open(procs, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(procs);
	close(fd);
}

static int tenants(int n, long us, char **dirs)
{
	int gate[2], ready[2], made = 0;
	char c;

	if (pipe(gate) || pipe(ready))
		die("pipe");
	for (int d = 0; dirs[d]; d++) {
		char *second = strchr(dirs[d], ':');

		if (!second)
			die("A:B");
		*second++ = 0;
		for (int i = 0; i < n; i++, made++) {
			pid_t pid = fork();

			if (pid < 0)
				die("fork");
			if (pid)
				continue;
			join(dirs[d]);
			join(second);
			close(gate[1]);
			if (write(ready[1], "r", 1) != 1)
				die("ready");
			if (read(gate[0], &c, 1) != 0)
				die("gate");
			burn(us_of(CLOCK_PROCESS_CPUTIME_ID) + us * (1 + (d + i) % 5));
			_exit(0);
		}
	}
	for (int i = 0; i < made; i++)
		if (read(ready[0], &c, 1) != 1)
			die("ready");
	puts("ready");
	fflush(stdout);
	if (read(0, &c, 1) != 1)
		return 1;
	close(gate[1]);
	while (wait(0) > 0)
		;
	puts("done");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "sleepers"))
		return sleepers(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "burn")) {
		burn(atol(argv[2]));
		return 0;
	}
	if (argc == 6 && !strcmp(argv[1], "storm"))
		return storm(argv[2], atol(argv[3]), atol(argv[4]), argv[5]);
	if (argc > 4 && !strcmp(argv[1], "tenants"))
		return tenants(atoi(argv[2]), atol(argv[3]), argv + 4);
	fputs("usage: see the source\n", stderr);
	return 2;
}
