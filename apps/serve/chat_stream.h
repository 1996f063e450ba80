// An answer of the chat API as server-sent events: "data: {chunk}" as the text comes, "data: [DONE]" at last.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/serve/chat_api.h"
#include "apps/serve/http.h"

namespace vulcap::apps::serve {

// Waits for the first words, so that a request that fails gets a status of its own. Throws ApiError.
Reply chat_stream(std::shared_ptr<CaptionJob> job, const std::string& model, const ChatRequest& request,
                  const std::function<bool()>& client_is_there);

}  // namespace vulcap::apps::serve
