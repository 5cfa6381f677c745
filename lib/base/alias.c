/* alias.c - draws by unequal shares with one look-up: Walker's tables (1977), filled in Vose's way (1991). */
#include "base.h"

bool hw__base_alias_fill(hw__base_alias *table, double *share, uint32_t n)
{
    uint32_t *list = hw__base_zalloc(n, sizeof *list); /* poor ones from the left, rich ones from the right */
    uint32_t poor = 0, rich = n;
    double sum = 0;
    if (!list) return false;
    for (uint32_t i = 0; i < n; i++) sum += share[i];
    for (uint32_t i = 0; i < n; i++) {
        share[i] *= n / sum;                        /* in slots: 1 on average */
        table[i] = (hw__base_alias){UINT32_MAX, i}; /* what rounding leaves over keeps itself */
        if (share[i] < 1)
            list[poor++] = i;
        else
            list[--rich] = i;
    }
    while (poor > 0 && rich < n) {
        uint32_t low = list[--poor], high = list[rich];
        table[low] = (hw__base_alias){(uint32_t)(share[low] * 0x1p32), high};
        share[high] -= 1 - share[low];
        if (share[high] >= 1) continue;
        rich++;
        list[poor++] = high;
    }
    hw__base_free(list);
    return true;
}
