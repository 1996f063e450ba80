/* caption MODEL_FOLDER IMAGE...: one caption an image, through the C interface. */
#include <stdio.h>
#include <vulcap/vulcap.h>

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, vulcap_last_error());
  return 1;
}

static int caption(vulcap_captioner* captioner, const char* path) {
  vulcap_image* image = NULL;
  vulcap_result* result = NULL;
  int failed = 0;
  if (vulcap_image_open(path, &image) != VULCAP_OK ||
      vulcap_caption(captioner, image, NULL, &result) != VULCAP_OK)
    failed = fail(path);
  else
    printf("%s: %s\n", path, vulcap_result_text(result, 0));
  vulcap_result_free(result);
  vulcap_image_free(image);
  return failed;
}

int main(int argc, char** argv) {
  vulcap_device* device = NULL;
  vulcap_captioner* captioner = NULL;
  int failed = 0;
  int i;
  if (argc < 3) {
    fprintf(stderr, "usage: %s MODEL_FOLDER IMAGE...\n", argv[0]);
    return 2;
  }
  if (vulcap_device_open(NULL, &device) != VULCAP_OK ||
      vulcap_captioner_load(device, argv[1], NULL, &captioner) != VULCAP_OK)
    failed = fail(argv[1]);
  for (i = 2; captioner != NULL && i < argc; ++i) failed |= caption(captioner, argv[i]);
  vulcap_captioner_free(captioner);
  vulcap_device_free(device);
  return failed;
}
