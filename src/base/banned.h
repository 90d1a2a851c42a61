/* SPDX-License-Identifier: Apache-2.0 */
/* Put before every file: functions that have a safer one of ours beside them do not compile.
 * Time and randomness come from the loop; text from struct buf; numbers from str_to_*(). */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets atoi atol atof       \
    gmtime localtime ctime asctime mktemp tmpnam srand
