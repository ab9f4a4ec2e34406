/* Goal: an object is there whole or not at all, and what failed leaves nothing behind. */
#include "store/dir_store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/io.h"
#include "store/object_store.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

struct fixture {
    char *dir, *root;
    struct object_store *store;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->dir = temp_dir_new();
    f->root = path_join(f->dir, "deep/root");
    assert_int_equal(dir_store_new(f->root, &f->store, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    object_store_free(f->store);
    temp_dir_free(f->dir);
    free(f->root);
    free(f);
    return 0;
}

static int put(struct fixture *f, const char *key, const char *text, struct err *err)
{
    return object_put_bytes(f->store, key, text, strlen(text), OBJECT_PUT_PLAIN, err);
}

/* A source that says it has more than it delivers without an error. */
static int failing_read(struct io_source *source, void *data, size_t len, size_t *ret_len,
                        struct err *err)
{
    if (source->size-- == 0)
        return err_set(err, ERR_IO, "made to fail");
    memset(data, 'x', len);
    *ret_len = len;
    return 0;
}

static void a_put_that_fails_at_any_read_leaves_nothing(void **state)
{
    static const struct io_source_ops ops = { "failing", failing_read, NULL, NULL };
    struct fixture *f = *state;
    char *folder = path_join(f->root, "a");

    for (uint64_t n = 0; n < 4; n++) {
        struct io_source source = { &ops, n };

        assert_int_equal(object_put(f->store, "a/b", &source, OBJECT_PUT_PLAIN, NULL), ERR_IO);
        assert_int_equal(temp_dir_count(folder), 0);
    }
    free(folder);
}

static void a_full_disk_is_said_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct object_upload *upload = NULL;
    struct rlimit old, small;
    struct err err = { 0 };
    char text[1000], *folder = path_join(f->root, "a");

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(put(f, "a/b", text, &err), ERR_IO);
    assert_int_equal(object_upload_new(f->store, "a/c", 10, &upload, NULL), 0);
    assert_int_equal(upload->ops->finish(upload, 1000, &err), ERR_IO);
    object_upload_free(upload);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(temp_dir_count(folder), 0);
    free(folder);
}

static void files_and_folders_are_the_owners_alone(void **state)
{
    struct fixture *f = *state;
    char *folder = path_join(f->root, "a"), *file = path_join(f->root, "a/b");
    struct stat st;

    assert_int_equal(put(f, "a/b", "x", NULL), 0);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(folder);
    free(file);
}

static void an_upload_can_be_written_in_place(void **state)
{
    struct fixture *f = *state;
    struct object_upload *upload = NULL;
    struct object_info info;
    struct io_sink *sink = NULL;
    struct buf buf = BUF_INIT(100);
    int fd;

    assert_int_equal(object_upload_new(f->store, "big", 4, &upload, NULL), 0);
    fd = upload->ops->direct_fd(upload);
    assert_true(fd >= 0);
    assert_int_equal(file_pwrite_all(fd, "456789-too much", 15, 4, "big", NULL), 0);
    assert_int_equal(object_head(f->store, "big", &info, NULL), ERR_NOT_FOUND);
    assert_int_equal(file_pwrite_all(fd, "0123", 4, 0, "big", NULL), 0);
    assert_int_equal(upload->ops->finish(upload, 10, NULL), 0);
    upload->ops->abort(upload); /* too late to matter */
    object_upload_free(upload);
    assert_int_equal(buf_sink_new(&buf, &sink, NULL), 0);
    assert_int_equal(object_get(f->store, "big", 0, OBJECT_TO_END, sink, &info, NULL), 0);
    assert_string_equal(buf.ptr, "0123456789");
    assert_int_equal(info.size, 10);
    io_sink_free(sink);
    buf_dispose(&buf);
}

static void deleting_the_last_object_removes_its_folders(void **state)
{
    struct fixture *f = *state;
    const char *one[] = { "a/b/c" }, *two[] = { "a/x", "a/not-there", "no/such/folder" };

    assert_int_equal(put(f, "a/b/c", "x", NULL), 0);
    assert_int_equal(put(f, "a/x", "x", NULL), 0);
    assert_int_equal(object_delete(f->store, one, 1, NULL), 0);
    assert_int_equal(temp_dir_count(f->root), 1); /* a, with x in it */
    assert_int_equal(object_delete(f->store, two, 3, NULL), 0);
    assert_int_equal(temp_dir_count(f->root), 0); /* and the root stays */
}

static void what_cannot_be_deleted_keeps_nothing_else(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = { "a", "b" }; /* the first is a folder with something in it */
    struct object_info info;

    assert_int_equal(put(f, "a/x", "x", NULL), 0);
    assert_int_equal(put(f, "b", "x", NULL), 0);
    assert_true(object_delete(f->store, keys, 2, NULL) < 0);
    assert_int_equal(object_head(f->store, "b", &info, NULL), ERR_NOT_FOUND);
    assert_int_equal(object_head(f->store, "a/x", &info, NULL), 0);
}

static void a_file_where_a_folder_should_be_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct err err = { 0 };

    assert_int_equal(put(f, "a", "x", NULL), 0);
    assert_true(put(f, "a/b", "x", &err) < 0);
    assert_non_null(strstr(err.msg, "a"));
}

static void relative_roots_are_refused(void **state)
{
    struct object_store *store = NULL;

    (void)state;
    assert_int_equal(dir_store_new("relative", &store, NULL), ERR_CONFIG);
    assert_int_equal(dir_store_new("", &store, NULL), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_put_that_fails_at_any_read_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said_and_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(files_and_folders_are_the_owners_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(an_upload_can_be_written_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_deleted_keeps_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(deleting_the_last_object_removes_its_folders, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_where_a_folder_should_be_is_an_error, setup,
                                        teardown),
        cmocka_unit_test(relative_roots_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
