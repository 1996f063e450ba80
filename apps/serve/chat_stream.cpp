#include "apps/serve/chat_stream.h"

#include "apps/cli/remarks.h"
#include "apps/serve/replies.h"

namespace vulcap::apps::serve {
namespace {

using nlohmann::json;

// Writes the events of one answer.
class Events {
 public:
  Events(const WritePiece& write, const std::string& model) : write_(write), answer_(model) {}

  // Returns false when nobody reads any more.
  bool text(const std::string& piece, size_t index = 0) {
    if (piece.empty()) return true;
    if (index == 0) shown_ += piece;
    const bool first = index >= begun_;
    begun_ = std::max(begun_, index + 1);
    return send(answer_.piece(piece, index, first));
  }

  // What has not been shown of each choice, and the ends.
  void end(const CaptionJob& job, const ChatRequest& request) {
    const auto& captions = job.record().captioned.result.captions;
    for (size_t i = 0; i < captions.size(); ++i) {
      const std::string& whole = captions[i].text;
      const bool is_shown = i == 0 && whole.starts_with(shown_);
      if (i > 0 || is_shown || shown_.empty()) text(is_shown ? whole.substr(shown_.size()) : whole, i);
      send(answer_.end(job, i, request.warnings));
    }
    if (request.include_usage) send(answer_.usage(job));
    done();
  }

  void fail(const ApiError& error) {
    send(error_json(error, false));
    done();
  }

 private:
  bool send(const json& event) { return write_("data: " + dumped(event) + "\n\n"); }
  void done() { write_("data: [DONE]\n\n"); }

  const WritePiece& write_;
  const ChatAnswer answer_;
  std::string shown_;  // of the first choice
  size_t begun_ = 0;   // choices of which there was something
};

void write_events(CaptionJob& job, const std::string& model, const ChatRequest& request, std::string piece,
                  bool finished, const WritePiece& write) {
  Events events(write, model);
  try {
    bool is_read = events.text(piece);
    while (is_read && !finished) {
      finished = job.wait(piece);
      // An empty piece asks whether anybody is there.
      is_read = piece.empty() && !finished ? write("") : events.text(piece);
    }
    if (!is_read) return job.abandon();
    events.end(job, request);
  } catch (const ApiError& error) {
    events.fail(error);
  } catch (const std::exception& error) {
    job.abandon();
    events.fail({500, error.what()});
  }
}

}  // namespace

Reply chat_stream(std::shared_ptr<CaptionJob> job, const std::string& model, const ChatRequest& request,
                  const std::function<bool()>& client_is_there) {
  std::string piece;
  bool finished = false;
  while (piece.empty() && !finished) {
    finished = job->wait(piece);
    if (client_is_there()) continue;
    job->abandon();
    throw ApiError{499, "the client has gone"};
  }
  Reply reply;
  reply.type = "text/event-stream";
  ChatRequest rest;
  rest.include_usage = request.include_usage;
  rest.warnings = request.warnings;
  reply.stream = [job = std::move(job), model, rest, piece, finished](const WritePiece& write) {
    write_events(*job, model, rest, piece, finished, write);
  };
  return reply;
}

}  // namespace vulcap::apps::serve
