// Replies in JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "apps/serve/api_error.h"
#include "apps/serve/http.h"

namespace vulcap::apps::serve {

Reply json_reply(const nlohmann::json& body, int status = 200);
// {"error": {"message", "type", "param", "code"}} as of OpenAI, or {"error": message} as of Hugging Face.
nlohmann::json error_json(const ApiError& error, bool plain);
Reply error_reply(const ApiError& error, bool plain);

}  // namespace vulcap::apps::serve
