// SPDX-License-Identifier: MIT
//
// What the system counts of all its processors' time.
#include "bench.h"

#include <unistd.h>

bool bench_counters(double *busy, double *stolen)
{
    double user, nice, kernel, idle, wait, irq, soft, steal;
    FILE *f = fopen("/proc/stat", "r");
    const bool found = f && fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &kernel,
                                   &idle, &wait, &irq, &soft, &steal) == 8;

    if (f)
        fclose(f);
    if (!found)
        return false;
    const double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    *busy = tick * (user + nice + kernel + irq + soft);
    *stolen = tick * steal;
    return true;
}
