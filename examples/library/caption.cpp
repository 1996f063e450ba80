// caption_cpp MODEL_FOLDER IMAGE: the caption as it comes, through the C++ interface.
#include <cstdio>
#include <vulcap/vulcap.hpp>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const vulcap::Device device;
    vulcap::Captioner captioner(device, argv[1]);
    vulcap::Request request;
    request.settings = {{"num_beams", "1"}};
    request.on_text = [](const std::string& piece) { return std::fputs(piece.c_str(), stdout) >= 0; };
    captioner.caption(vulcap::Image(argv[2]), request);
    std::puts("");
  } catch (const vulcap::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.status();
  }
}
