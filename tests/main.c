// SPDX-License-Identifier: MIT
// Runs the suite of the file it is linked with. A test may take a minute where its file says no
// other: the usual four seconds can pass while other work has the processor.
#include <check.h>
#include <stdlib.h>

Suite *suite(void);

int main(void)
{
    setenv("CK_DEFAULT_TIMEOUT", "60", 0);
    SRunner *runner = srunner_create(suite());

    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
