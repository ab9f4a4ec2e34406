/* Goal: what the process uses is told as it is. */
#include "agent/process_facts.h"

#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY ((size_t)64 << 20)

static void memory_and_descriptors_grow_with_what_is_taken(void **state)
{
    const struct process_facts before = process_facts_read();
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char *memory = malloc(MEMORY);
    struct process_facts after;

    (void)state;
    assert_true(fd >= 0);
    assert_non_null(memory);
    memset(memory, 1, MEMORY);
    after = process_facts_read();
    assert_int_equal(after.open_fds, before.open_fds + 1);
    assert_in_range(after.resident_bytes, before.resident_bytes + MEMORY * 9 / 10,
                    before.resident_bytes + MEMORY * 4);
    assert_true(before.cpu_ms >= 0 && after.cpu_ms >= before.cpu_ms);
    free(memory);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_and_descriptors_grow_with_what_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
