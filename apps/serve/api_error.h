// What is wrong with a request, for the handler that knows the form of the answer.
#pragma once

#include <string>

namespace vulcap::apps::serve {

struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};  // the field at fault; empty: none
  std::string code = {};   // for programs, "model_not_found"; empty: none
  int retry_after = 0;     // seconds; 0: not said
};

}  // namespace vulcap::apps::serve
