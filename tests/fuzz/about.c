// SPDX-License-Identifier: MIT
//
// What a self-contained voice file says of itself.
#include "fuzz.h"
#include "model/voice_parts.h"

#include <cjson/cJSON.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_voice_file v = { 0 };
    clvits_report r = { 0 };
    clvits_json j;
    size_t n;
    char *text = fuzz_part(&data, &size, &n);

    clvits_status s = clvits_json_open_text(&j, text, "fuzz", &r);
    if (!s)
        s = clvits_voice_about_read(&v, &j, 1);
    clvits_json_close(&j);
    if (!s)
        s = clvits_config_check(&v.config, &r);
    fuzz_status(s, &r);
    if (!s) { /* what was read can be written, and is read as the same */
        clvits_voice_file again = { 0 };
        cJSON *about = clvits_voice_about(&v, CLVITS_TELL_TRAINING);
        char *printed = cJSON_PrintUnformatted(about);

        FUZZ_CHECK(printed && !clvits_json_open_text(&j, printed, "again", &r) &&
                   !clvits_voice_about_read(&again, &j, 1));
        FUZZ_CHECK(!memcmp(&v.config, &again.config, sizeof(v.config)));
        FUZZ_CHECK(v.symbols.count == again.symbols.count && v.n_speakers == again.n_speakers);
        clvits_json_close(&j);
        cJSON_free(printed);
        cJSON_Delete(about);
        clvits_voice_file_free(&again);
    }
    clvits_voice_file_free(&v);
    free(text);
    return 0;
}
