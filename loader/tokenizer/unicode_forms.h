// Unicode normalisation forms that keep track of origins, as the crate `unicode-normalization-alignments`
// counts them: the first character of a decomposition replaces, the others are inserted; a composition
// removes what it absorbs.
#pragma once

#include "loader/tokenizer/normalized_string.h"

namespace vulcap::tokenizer {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

void apply_unicode_form(NormalizedString& text, UnicodeForm form);

}  // namespace vulcap::tokenizer
