// move.cl — copy, concat and flip: y[b,t,c] = a[b,t,c] for c < Ca, b[b,t,c - Ca] after them, or
// a[b,t,C - 1 - c]. Elements move as their bits, so that integers pass unharmed.

// What an element is: int, or ushort for halves; set by lib/op/move.c.
#ifndef ELEMENT
#define ELEMENT int
#endif
#define elements PASTE(ELEMENT, WIDTH)

kernel void move(const move_dims d, global const int *run, global const ELEMENT *restrict a,
                 global const ELEMENT *restrict b, global ELEMENT *restrict y)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, d.y.guard);

    if (r.valid < 0)
        return;
    global const ELEMENT *p = a + at(d.a, r.b, r.t, 0);
    global const ELEMENT *q = b + at(d.b, r.b, r.t, 0);
    y += at(d.y, r.b, r.t, 0);
    if (r.n >= WIDTH && !d.flip && (r.c + WIDTH <= d.Ca || r.c >= d.Ca)) {
        elements v = (elements)(0);
        if (r.valid)
            v = PASTE(vload, WIDTH)(0, r.c < d.Ca ? p + r.c : q + (r.c - d.Ca));
        PASTE(vstore, WIDTH)(v, 0, y + r.c);
        return;
    }
    for (int i = 0; i < WIDTH && i < r.n; i++) {
        const int c = r.c + i;
        y[c] = !r.valid ? 0 : d.flip ? p[d.C - 1 - c] : c < d.Ca ? p[c] : q[c - d.Ca];
    }
}
