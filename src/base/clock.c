/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

enum { DAY_MS = 86400000 };

static int64_t read_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_wall_us(void)
{
    return read_ns(CLOCK_REALTIME) / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 and back, in the Gregorian calendar. Years are counted from March, so that
 * the leap day is the last one; 400 years have 146,097 days, and 719,468 lie between 0000-03-01 and
 * 1970. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of(int64_t days, int *out_year, int *out_month, int *out_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t d = z - era * 146097;
    int64_t year_of_era = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int64_t day_of_year = d - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;

    *out_day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
    *out_month = (int)(m < 10 ? m + 3 : m - 9);
    *out_year = (int)(year_of_era + era * 400 + (*out_month <= 2 ? 1 : 0));
}

static char *put_digits(char *out, unsigned value, int n, char behind)
{
    for (int i = n - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
    out[n] = behind;
    return out + n + 1;
}

void time_format(int64_t ms, char out[TIME_TEXT_SIZE])
{
    /* The form has four digits for the year. */
    const int64_t least = days_of(0, 1, 1) * DAY_MS, most = days_of(10000, 1, 1) * DAY_MS - 1;
    int year, month, day;
    unsigned rest;
    int64_t days;

    ms = MIN(MAX(ms, least), most);
    days = ms / DAY_MS - (ms % DAY_MS < 0 ? 1 : 0);
    rest = (unsigned)(ms - days * DAY_MS);
    date_of(days, &year, &month, &day);
    /* By hand, since every answer has several. */
    out = put_digits(out, (unsigned)year, 4, '-');
    out = put_digits(out, (unsigned)month, 2, '-');
    out = put_digits(out, (unsigned)day, 2, 'T');
    out = put_digits(out, rest / 3600000U, 2, ':');
    out = put_digits(out, rest / 60000U % 60U, 2, ':');
    out = put_digits(out, rest / 1000U % 60U, 2, '.');
    out = put_digits(out, rest % 1000U, 3, 'Z');
    *out = '\0';
}

/* Takes exactly n digits from the front. */
static bool take_digits(struct str *s, size_t n, int *out)
{
    int v = 0;

    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *out = v;
    *s = str_make(s->p + n, s->n - n);
    return true;
}

static bool take_any(struct str *s, const char *chars)
{
    if (s->n == 0 || s->p[0] == '\0' || !strchr(chars, s->p[0]))
        return false;
    *s = str_make(s->p + 1, s->n - 1);
    return true;
}

static bool take_date(struct str *s, int64_t *out_days)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int year, month, day, length;

    if (!take_digits(s, 4, &year) || !take_any(s, "-") || !take_digits(s, 2, &month) ||
        !take_any(s, "-") || !take_digits(s, 2, &day) || month < 1 || month > 12)
        return false;
    length = lengths[month - 1];
    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        length = 29;
    if (day < 1 || day > length)
        return false;
    *out_days = days_of(year, month, day);
    return true;
}

static bool take_time(struct str *s, int64_t *out_ms)
{
    int hour, minute, second, digit;
    int64_t ms = 0, unit = 100;

    if (!take_digits(s, 2, &hour) || !take_any(s, ":") || !take_digits(s, 2, &minute) ||
        !take_any(s, ":") || !take_digits(s, 2, &second))
        return false;
    /* 60 is a leap second; the clock of the system counts it as the second that follows. */
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    if (take_any(s, ".")) {
        if (!take_digits(s, 1, &digit))
            return false;
        do {
            ms += digit * unit;
            unit /= 10;
        } while (take_digits(s, 1, &digit));
    }
    *out_ms = ((int64_t)hour * 60 + minute) * 60000 + (int64_t)second * 1000 + ms;
    return true;
}

static bool take_offset(struct str *s, int64_t *out_ms)
{
    bool west = s->n > 0 && s->p[0] == '-';
    int hours, minutes;

    *out_ms = 0;
    if (take_any(s, "Zz"))
        return true;
    if (!take_any(s, "+-") || !take_digits(s, 2, &hours) || !take_any(s, ":") ||
        !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *out_ms = ((int64_t)hours * 60 + minutes) * (west ? -60000 : 60000);
    return true;
}

bool time_parse(struct str s, int64_t *out_ms)
{
    int64_t days, in_day, offset;

    if (!take_date(&s, &days) || !take_any(&s, "Tt ") || !take_time(&s, &in_day) ||
        !take_offset(&s, &offset) || s.n > 0)
        return false;
    *out_ms = days * DAY_MS + in_day - offset;
    return true;
}

static const struct {
    const char *name;
    int64_t ms;
} duration_units[] = {
    { "d", DAY_MS }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

/* Takes "90" or "90s" from the front; *at is the first unit that may still come. */
static bool take_duration(struct str *s, size_t *at, int64_t *total)
{
    struct str digits = *s, unit;
    int64_t v;

    while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9')
        *s = str_make(s->p + 1, s->n - 1);
    digits.n -= s->n;
    unit = *s;
    while (s->n > 0 && s->p[0] >= 'a' && s->p[0] <= 'z')
        *s = str_make(s->p + 1, s->n - 1);
    unit.n -= s->n;
    if (!str_to_i64(digits, &v))
        return false;
    while (*at < ARRAY_SIZE(duration_units) && !str_is(unit, duration_units[*at].name))
        (*at)++;
    if (*at == ARRAY_SIZE(duration_units))
        return false;
    return !__builtin_mul_overflow(v, duration_units[(*at)++].ms, &v) &&
           !__builtin_add_overflow(*total, v, total);
}

bool duration_parse(struct str s, int64_t *out_ms)
{
    int64_t total = 0, seconds;
    size_t at = 0;

    if (s.n > 0 && s.p[0] != '-' && str_to_i64(s, &seconds))
        return !__builtin_mul_overflow(seconds, 1000, out_ms);
    if (s.n == 0)
        return false;
    while (s.n > 0)
        if (!take_duration(&s, &at, &total))
            return false;
    *out_ms = total;
    return true;
}

void duration_format(int64_t ms, char out[TIME_TEXT_SIZE])
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t n = 0;

    if (ms == 0) {
        snprintf(out, TIME_TEXT_SIZE, "0s");
        return;
    }
    if (ms < 0)
        out[n++] = '-';
    for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
        uint64_t unit = (uint64_t)duration_units[i].ms;

        if (left < unit)
            continue;
        n += (size_t)snprintf(out + n, TIME_TEXT_SIZE - n, "%llu%s",
                              (unsigned long long)(left / unit), duration_units[i].name);
        left %= unit;
    }
}

static const char size_letters[] = "kmgtpe";

/* What a unit such as "", "B", "k", "kB", "Ki" or "KiB" stands for, in any case; 0: nothing. */
static int64_t size_unit(struct str unit)
{
    int64_t factor = 1, step = 1000;
    const char *letter;

    if (unit.n > 0 && (unit.p[unit.n - 1] == 'b' || unit.p[unit.n - 1] == 'B'))
        unit.n--;
    if (unit.n == 0)
        return 1;
    letter = memchr(size_letters, unit.p[0] | 0x20, sizeof(size_letters) - 1);
    if (!letter || unit.n > 2 || (unit.n == 2 && (unit.p[1] | 0x20) != 'i'))
        return 0;
    if (unit.n == 2)
        step = 1024;
    for (const char *p = size_letters; p <= letter; p++)
        factor *= step;
    return factor;
}

bool size_parse(struct str s, int64_t *out_bytes)
{
    struct str whole = s, fraction = STR_NULL;
    int64_t v, part = 0, factor, below = 1;
    size_t n = 0;

    if (s.n == 0)
        return false;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    whole.n = n;
    if (n < s.n && s.p[n] == '.') {
        fraction.p = s.p + ++n;
        while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
            n++;
        fraction.n = (size_t)(s.p + n - fraction.p);
        if (fraction.n > 6 || !str_to_i64(fraction, &part))
            return false;
    }
    s = str_make(s.p + n, s.n - n);
    if (s.n > 1 && s.p[0] == ' ')
        s = str_make(s.p + 1, s.n - 1);
    factor = size_unit(s);
    if (factor == 0 || !str_to_i64(whole, &v) || __builtin_mul_overflow(v, factor, &v))
        return false;
    for (size_t i = 0; i < fraction.n; i++)
        below *= 10;
    /* In two steps, since part * factor may not fit. */
    part = factor / below * part + factor % below * part / below;
    return !__builtin_add_overflow(v, part, out_bytes);
}

void size_format(int64_t bytes, char out[TIME_TEXT_SIZE])
{
    static const char *const names[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    uint64_t left = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes, unit = 1, tenths;
    const char *sign = bytes < 0 ? "-" : "";
    size_t at = 0;

    /* 999,950 and more would be rounded to "1000 kB". */
    while (at + 1 < ARRAY_SIZE(names) && left >= (at == 0 ? 1000 : unit * 1000 - unit / 20)) {
        unit *= 1000;
        at++;
    }
    tenths = unit == 1 ? left * 10 : (left + unit / 20) / (unit / 10);
    if (tenths % 10 == 0)
        snprintf(out, TIME_TEXT_SIZE, "%s%llu %s", sign, (unsigned long long)(tenths / 10),
                 names[at]);
    else
        snprintf(out, TIME_TEXT_SIZE, "%s%llu.%llu %s", sign, (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10), names[at]);
}
