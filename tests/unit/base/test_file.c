/* Goal: a file is there whole or not at all, and what fails leaves nothing behind. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/harness/syscall_fault.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

static int setup(void **state)
{
    *state = temp_dir_new();
    return 0;
}

static int teardown(void **state)
{
    temp_dir_free(*state);
    return 0;
}

static void write_atomic_replaces_and_read_gives_it_back(void **state)
{
    char *path = path_join(*state, "f");
    struct buf buf = BUF_INIT(100);
    struct stat st;

    assert_int_equal(file_write_atomic(path, "old", 3, 0600, NULL), 0);
    assert_int_equal(file_write_atomic(path, "newer", 5, 0640, NULL), 0);
    assert_int_equal(file_read(path, &buf, NULL), 0);
    assert_string_equal(buf.ptr, "newer");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(temp_dir_count(*state), 1);
    buf_dispose(&buf);
    free(path);
}

/* The kernel refuses to let the file grow past the limit, as it does when a disk is full. */
static void write_atomic_that_fails_leaves_the_old_file_alone(void **state)
{
    char *path = path_join(*state, "f");
    struct rlimit old, small;
    struct buf buf = BUF_INIT(100);
    struct err err = { 0 };
    char data[4096] = "";

    assert_int_equal(file_write_atomic(path, "old", 3, 0600, NULL), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(file_write_atomic(path, data, sizeof(data), 0600, &err), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(file_read(path, &buf, NULL), 0);
    assert_string_equal(buf.ptr, "old");
    assert_int_equal(temp_dir_count(*state), 1);
    buf_dispose(&buf);
    free(path);
}

struct paths {
    const char *from, *to;
};

static int write_new(void *context)
{
    return file_write_atomic(context, "new", 3, 0600, NULL);
}

static int publish(void *context)
{
    const struct paths *paths = context;

    return file_publish(paths->from, paths->to, NULL);
}

static void assert_holds(const char *path, const char *text)
{
    struct buf buf = BUF_INIT(100);

    assert_int_equal(file_read(path, &buf, NULL), 0);
    assert_string_equal(buf.ptr, text);
    buf_dispose(&buf);
}

static void write_atomic_leaves_the_old_file_whatever_call_fails(void **state)
{
    static const struct syscall_fault faults[] = {
        { SYS_openat, ENFILE, 2, O_CREAT }, { SYS_write, EDQUOT, 0, 0 },
        { SYS_fchmod, EPERM, 0, 0 },        { SYS_fsync, EIO, 0, 0 },
#ifdef SYS_rename
        { SYS_rename, EIO, 0, 0 },
#else
        { SYS_renameat, EIO, 0, 0 },
#endif
    };
    char *path = path_join(*state, "f");

    assert_int_equal(file_write_atomic(path, "old", 3, 0600, NULL), 0);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        print_message("  call %d\n", faults[i].number);
        assert_true(run_with_syscall_fault(&faults[i], write_new, path) < 0);
        assert_holds(path, "old");
        assert_int_equal(temp_dir_count(*state), 1);
    }
    free(path);
}

static void write_atomic_fails_unless_the_new_file_is_durable(void **state)
{
    static const struct syscall_fault fault = { SYS_openat, EMFILE, 2, O_DIRECTORY };
    char *path = path_join(*state, "f");

    assert_int_equal(run_with_syscall_fault(&fault, write_new, path), ERR_IO);
    assert_holds(path, "new");
    assert_int_equal(temp_dir_count(*state), 1);
    free(path);
}

/* NFS and FUSE answer EINVAL; old kernels ENOSYS, old containers' filters EPERM. */
static void publish_never_replaces_where_rename_knows_no_flags(void **state)
{
    static const int answers[] = { EINVAL, ENOSYS, EPERM };
    char *from = path_join(*state, ".tmp"), *to = path_join(*state, "to");
    struct paths paths = { from, to };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct syscall_fault fault = { .number = SYS_renameat2, .os_errno = answers[i] };

        assert_int_equal(file_write_atomic(from, "one", 3, 0600, NULL), 0);
        assert_int_equal(run_with_syscall_fault(&fault, publish, &paths), 0);
        assert_int_equal(access(from, F_OK), -1);
        assert_int_equal(file_write_atomic(from, "two", 3, 0600, NULL), 0);
        assert_int_equal(run_with_syscall_fault(&fault, publish, &paths), ERR_EXISTS);
        assert_holds(to, "one");
        assert_int_equal(unlink(to), 0);
    }
    free(from);
    free(to);
}

static void publish_fails_unless_the_new_name_is_durable(void **state)
{
    static const struct syscall_fault broken = { .number = SYS_fsync, .os_errno = EIO },
                                      unknown = { .number = SYS_fsync, .os_errno = EINVAL },
                                      failing = { .number = SYS_renameat2, .os_errno = EIO };
    char *from = path_join(*state, ".tmp"), *to = path_join(*state, "to");
    struct paths paths = { from, to };

    assert_int_equal(file_write_atomic(from, "one", 3, 0600, NULL), 0);
    assert_int_equal(run_with_syscall_fault(&failing, publish, &paths), ERR_IO);
    assert_int_equal(access(to, F_OK), -1);
    assert_int_equal(run_with_syscall_fault(&broken, publish, &paths), ERR_IO);
    assert_int_equal(rename(to, from), 0);
    assert_int_equal(run_with_syscall_fault(&unknown, publish, &paths), 0);
    assert_holds(to, "one");
    free(from);
    free(to);
}

static void read_stops_at_the_cap(void **state)
{
    char *path = path_join(*state, "f");
    struct buf exact = BUF_INIT(5), small = BUF_INIT(4);

    assert_int_equal(file_write_atomic(path, "12345", 5, 0600, NULL), 0);
    assert_int_equal(file_read(path, &exact, NULL), 0);
    assert_string_equal(exact.ptr, "12345");
    assert_int_equal(file_read(path, &small, NULL), ERR_LIMIT);
    assert_int_equal(small.len, 4);
    buf_dispose(&exact);
    buf_dispose(&small);
    free(path);
}

static void read_names_what_is_missing(void **state)
{
    char *path = path_join(*state, "absent");
    struct buf buf = BUF_INIT(5);
    struct err err = { 0 };

    assert_int_equal(file_read(path, &buf, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "absent"));
    buf_dispose(&buf);
    free(path);
}

static void publish_never_replaces(void **state)
{
    char *from = path_join(*state, ".tmp"), *to = path_join(*state, "to");
    struct buf buf = BUF_INIT(100);

    assert_int_equal(file_write_atomic(from, "one", 3, 0600, NULL), 0);
    assert_int_equal(file_publish(from, to, NULL), 0);
    assert_int_equal(access(from, F_OK), -1);
    assert_int_equal(file_write_atomic(from, "two", 3, 0600, NULL), 0);
    assert_int_equal(file_publish(from, to, NULL), ERR_EXISTS);
    assert_int_equal(file_read(to, &buf, NULL), 0);
    assert_string_equal(buf.ptr, "one");
    buf_dispose(&buf);
    free(from);
    free(to);
}

static void mkdirs_makes_what_is_missing_and_refuses_a_file(void **state)
{
    char *path = path_join(*state, "a/b/c"), *file = path_join(*state, "file");
    char *below = path_join(file, "x");
    struct stat st;

    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(file_write_atomic(file, "", 0, 0600, NULL), 0);
    assert_int_equal(file_mkdirs(file, 0700, NULL), ERR_IO);
    assert_int_equal(file_mkdirs(below, 0700, NULL), ERR_IO);
    free(path);
    free(file);
    free(below);
}

static void an_unlinked_file_has_no_name_and_works(void **state)
{
    char data[4] = "";
    struct err err = { 0 };
    int fd = -1;

    assert_int_equal(file_temp_unlinked(*state, &fd, NULL), 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(temp_dir_count(*state), 0);
    assert_int_equal(file_pwrite_all(fd, "abcd", 4, 10, "temp", NULL), 0);
    assert_int_equal(file_pread_all(fd, data, 4, 10, "temp", NULL), 0);
    assert_memory_equal(data, "abcd", 4);
    assert_int_equal(file_pread_all(fd, data, 4, 12, "temp", &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "ends at byte 14"));
    assert_int_equal(close(fd), 0);
    assert_int_equal(file_temp_unlinked("/nonexistent", &fd, NULL), ERR_NOT_FOUND);
}

static void a_named_temporary_file_is_private(void **state)
{
    char *path = NULL;
    struct stat st;
    int fd = -1;

    assert_int_equal(file_temp_named(*state, "p-", &fd, &path, NULL), 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(strncmp(path_base(path), "p-", 2), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(close(fd), 0);
    free(path);
}

/* The kernel writes what still fits, then refuses. */
static void pwrite_goes_on_where_a_short_write_ended(void **state)
{
    struct rlimit old, small;
    char data[200] = "";
    int fd = -1;

    assert_int_equal(file_temp_unlinked(*state, &fd, NULL), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(file_pwrite_all(fd, data, sizeof(data), 0, "temp", NULL), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), 100);
    assert_int_equal(close(fd), 0);
}

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

#define PIPED_LEN (1u << 20) /* far more than a pipe holds */

static void *drain_slowly(void *context)
{
    const int fd = *(int *)context;
    static char data[PIPED_LEN];
    size_t total = 0;
    ssize_t got;

    (void)usleep(50000); /* meanwhile the writer waits, and is interrupted */
    while ((got = read(fd, data, sizeof(data))) > 0)
        total += (size_t)got;
    return total == PIPED_LEN ? context : NULL;
}

static void a_write_survives_signals_and_a_slow_reader(void **state)
{
    const struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
    const struct sigaction action = { .sa_handler = do_nothing };
    static char data[PIPED_LEN];
    void *result = NULL;
    pthread_t thread;
    sigset_t alarm;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)sigemptyset(&alarm);
    (void)sigaddset(&alarm, SIGALRM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarm, NULL), 0); /* in the reader for good */
    assert_int_equal(pthread_create(&thread, NULL, drain_slowly, &ends[0]), 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &alarm, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    assert_int_equal(file_write_all(ends[1], data, sizeof(data), "pipe", NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    assert_int_equal(close(ends[0]), 0);
}

static int use_unlinked(void *context)
{
    char data[4] = "";
    int fd = -1, r;

    r = file_temp_unlinked(context, &fd, NULL);
    if (r < 0)
        return r;
    r = file_pwrite_all(fd, "abcd", 4, 0, "temp", NULL);
    if (r == 0)
        r = file_pread_all(fd, data, 4, 0, "temp", NULL);
    (void)close(fd);
    return r == 0 && memcmp(data, "abcd", 4) != 0 ? ERR_CORRUPT : r;
}

static void an_unlinked_file_works_where_none_can_be_born_so(void **state)
{
    static const int answers[] = { EOPNOTSUPP, EISDIR, EINVAL };
    static const struct syscall_fault full = { SYS_openat, ENOSPC, 2, O_TMPFILE };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct syscall_fault fault = { SYS_openat, answers[i], 2, O_TMPFILE };

        assert_int_equal(run_with_syscall_fault(&fault, use_unlinked, *state), 0);
        assert_int_equal(temp_dir_count(*state), 0);
    }
    assert_int_equal(run_with_syscall_fault(&full, use_unlinked, *state), ERR_IO);
}

static void a_full_device_is_reported_with_advice(void **state)
{
    struct err err = { 0 };
    const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, "x", 1, "full", &err), ERR_IO);
    assert_non_null(strstr(err.hint, "space"));
    assert_int_equal(close(fd), 0);
}

static void paths_are_taken_apart_and_joined(void **state)
{
    static const struct {
        const char *path, *parent, *base;
    } cases[] = { { "a", ".", "a" },         { "/a", "/", "a" },  { "/x/a.db", "/x", "a.db" },
                  { "x//a", "x", "a" },      { "//a", "/", "a" }, { "./a", ".", "a" },
                  { "/x/y/z", "/x/y", "z" }, { "x/", "x", "" } };
    char *text;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text = path_parent(cases[i].path);
        assert_string_equal(text, cases[i].parent);
        assert_string_equal(path_base(cases[i].path), cases[i].base);
        free(text);
    }
    text = path_join("/x/", "y");
    assert_string_equal(text, "/x/y");
    free(text);
    text = path_join("/x", "y");
    assert_string_equal(text, "/x/y");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(write_atomic_replaces_and_read_gives_it_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(write_atomic_that_fails_leaves_the_old_file_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(write_atomic_leaves_the_old_file_whatever_call_fails, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(write_atomic_fails_unless_the_new_file_is_durable, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(publish_never_replaces_where_rename_knows_no_flags, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(publish_fails_unless_the_new_name_is_durable, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unlinked_file_works_where_none_can_be_born_so, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(read_stops_at_the_cap, setup, teardown),
        cmocka_unit_test_setup_teardown(read_names_what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(publish_never_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(mkdirs_makes_what_is_missing_and_refuses_a_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unlinked_file_has_no_name_and_works, setup, teardown),
        cmocka_unit_test_setup_teardown(a_named_temporary_file_is_private, setup, teardown),
        cmocka_unit_test_setup_teardown(pwrite_goes_on_where_a_short_write_ended, setup, teardown),
        cmocka_unit_test(a_write_survives_signals_and_a_slow_reader),
        cmocka_unit_test(a_full_device_is_reported_with_advice),
        cmocka_unit_test(paths_are_taken_apart_and_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
