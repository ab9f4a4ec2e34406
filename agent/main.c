#include "agent/run.h"
#include "agent/signals.h"
#include "base/cancel.h"
#include "base/err.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static struct cancel cancel = CANCEL_INIT; /* handlers refer to it */
    struct err err;

    err_clear(&err);
    if (signals_install(&cancel, &err) < 0) {
        (void)fprintf(stderr, "holdfast: error: %s\n", err.msg);
        return err_exit_status(err.code);
    }
    return holdfast_run(argc, argv, stdout, STDERR_FILENO, &cancel);
}
