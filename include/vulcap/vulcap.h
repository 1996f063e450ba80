/* vulcap as a library: captions of images from ONNX vision-language models, on Vulkan or on the CPU.
 *
 * A device is opened, a model loaded on it, images captioned:
 *
 *   vulcap_device *device;       vulcap_device_open(NULL, &device);
 *   vulcap_captioner *captioner; vulcap_captioner_load(device, "models/vit-gpt2", NULL, &captioner);
 *   vulcap_image *image;         vulcap_image_open("photo.jpg", &image);
 *   vulcap_result *result;       vulcap_caption(captioner, image, NULL, &result);
 *   puts(vulcap_result_text(result, 0));
 *
 * Every function that can fail returns a status; vulcap_last_error() says in one line what, where, why and
 * what to do. What a function gives out is freed by the function named ..._free, NULL included; a captioner
 * keeps its device. Texts are UTF-8 and end with 0. A device and what was loaded on it serve one thread at a
 * time; several devices may serve several threads. No exception leaves the library.
 *
 * Structures begin with their size, sizeof(it), so that later versions may add members. */
#ifndef VULCAP_VULCAP_H
#define VULCAP_VULCAP_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define VULCAP_API __attribute__((visibility("default")))
#else
#define VULCAP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are the exit codes of the program. */
typedef enum vulcap_status {
  VULCAP_OK = 0,
  VULCAP_ERROR = 1,        /* an image or a run failed */
  VULCAP_BAD_ARGUMENT = 2, /* a setting or an argument that makes no sense */
  VULCAP_BAD_MODEL = 3,    /* the model's folder is invalid or unsupported */
  VULCAP_NO_DEVICE = 4,    /* no such device */
  VULCAP_STOPPED = 7       /* a callback asked to stop */
} vulcap_status;

typedef struct vulcap_device vulcap_device;
typedef struct vulcap_captioner vulcap_captioner;
typedef struct vulcap_image vulcap_image;
typedef struct vulcap_result vulcap_result;

/* "0.1.0". */
VULCAP_API const char* vulcap_version(void);
/* Of the last call on this thread that did not return VULCAP_OK; valid until the next that does not. */
VULCAP_API const char* vulcap_last_error(void);

/* ---- device ---- */

typedef struct vulcap_device_options {
  size_t size;
  const char* device; /* "auto" (NULL), "cpu", "vulkan", "vulkan:N", "name:TEXT", "uuid:HEX" */
  int threads;        /* of the CPU back end; 0: every processor that this process may use */
  /* Receives warnings, and each reason for which work went to the CPU, a line each, once; may be NULL. */
  void (*on_log)(const char* line, void* user);
  void* user;
} vulcap_device_options;

/* `options` may be NULL. */
VULCAP_API vulcap_status vulcap_device_open(const vulcap_device_options* options, vulcap_device** device);
/* "vulkan:0 NVIDIA H200"; valid as long as the device. */
VULCAP_API const char* vulcap_device_name(const vulcap_device* device);
VULCAP_API void vulcap_device_free(vulcap_device* device);

/* ---- model ---- */

typedef struct vulcap_load_options {
  size_t size;
  const char* dtype;   /* "auto" (NULL), "fp32", "fp16", "q8", "int8", "uint8", "q4", "q4f16", "bnb4" */
  const char* adapter; /* folder of a PEFT LoRA adapter; NULL: none */
} vulcap_load_options;

/* `options` may be NULL. */
VULCAP_API vulcap_status vulcap_captioner_load(vulcap_device* device, const char* folder,
                                               const vulcap_load_options* options,
                                               vulcap_captioner** captioner);
VULCAP_API void vulcap_captioner_free(vulcap_captioner* captioner);

/* Bytes that came of those that are needed; anything but 0 stops the download, which goes on the next time.
 */
typedef int (*vulcap_progress)(uint64_t done, uint64_t total, void* user);

/* The folder of a hub's model, "org/model" or "org/model:dtype": from the shared cache, or downloaded into
 * it. Takes the variables of huggingface_hub (HF_HOME, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE ...). `revision`
 * NULL: "main"; `on_progress` may be NULL. `folder` is freed by vulcap_text_free. */
VULCAP_API vulcap_status vulcap_pull(const char* model, const char* revision, vulcap_progress on_progress,
                                     void* user, char** folder);
VULCAP_API void vulcap_text_free(char* text);

/* ---- images ---- */

/* A PNG or JPEG file. */
VULCAP_API vulcap_status vulcap_image_open(const char* path, vulcap_image** image);
/* The bytes of one. */
VULCAP_API vulcap_status vulcap_image_decode(const void* bytes, size_t count, vulcap_image** image);
/* Pixels: the channel c of (x, y) is rgb[y * stride + x * 3 + c]; stride in bytes, 0: width * 3. They are
 * copied. */
VULCAP_API vulcap_status vulcap_image_from_rgb(const uint8_t* rgb, int width, int height, size_t stride,
                                               vulcap_image** image);
VULCAP_API void vulcap_image_free(vulcap_image* image);

/* ---- captions ---- */

/* A generation setting by the name that transformers gives it: {"num_beams", "4"}. */
typedef struct vulcap_setting {
  const char* name;
  const char* value;
} vulcap_setting;

typedef struct vulcap_request {
  size_t size;
  const char* prompt; /* a start, a question or an instruction, as the model takes it; NULL: none */
  const char* task;   /* "od" or "<OD>", of models that know tasks; NULL: none */
  const vulcap_setting* settings;
  size_t num_settings;
  /* Receives pieces of the caption as they come (one image, greedy); anything but 0 stops. May be NULL. */
  int (*on_text)(const char* piece, void* user);
  void* user;
} vulcap_request;

/* `request` may be NULL. */
VULCAP_API vulcap_status vulcap_caption(vulcap_captioner* captioner, const vulcap_image* image,
                                        const vulcap_request* request, vulcap_result** result);
/* `count` images together, into results[0..count-1]; all of them or, on failure, none. */
VULCAP_API vulcap_status vulcap_caption_batch(vulcap_captioner* captioner, const vulcap_image* const* images,
                                              size_t count, const vulcap_request* request,
                                              vulcap_result** results);

/* Captions in the result, best first (num_return_sequences of them). */
VULCAP_API size_t vulcap_result_count(const vulcap_result* result);
/* NULL where there is no such caption; valid as long as the result. */
VULCAP_API const char* vulcap_result_text(const vulcap_result* result, size_t index);
/* The beam search's score; NaN where there is none. */
VULCAP_API float vulcap_result_score(const vulcap_result* result, size_t index);
/* From the decoded image to the text. */
VULCAP_API double vulcap_result_seconds(const vulcap_result* result);
VULCAP_API void vulcap_result_free(vulcap_result* result);

#ifdef __cplusplus
}
#endif
#endif
