// Captions as Hugging Face's inference servers speak them: an image's bytes or {"inputs": base64,
// "parameters": {...}} in, [{"generated_text": ...}] out.
#pragma once

#include <nlohmann/json.hpp>

#include "apps/serve/caption_service.h"
#include "apps/serve/http.h"

namespace vulcap::apps::serve {

// Settings of raw bytes stand in the query. Throws ApiError.
CaptionRequest parse_task(const HttpRequest& request, const Limits& limits);
nlohmann::json task_answer(const CaptionJob& job);

}  // namespace vulcap::apps::serve
