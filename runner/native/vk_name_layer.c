/* A Vulkan layer that presents another device name, and changes nothing that computes.
 *
 * The GPU delegate chooses vendor-specific code by a substring of a description of the adapter: Dawn's word for the
 * vendor's number, the device's name, and the driver's name and version. The first vendor in the delegate's own list
 * that is in there decides, so the driver of an NVIDIA card that is presented as an Xclipse still is an NVIDIA: of
 * hardware the vendor and the driver are left out as well. With this layer those choices can be exercised over
 * any driver. What it shows is then "named so", not that vendor's GPU: the results' fingerprint says so.
 *
 * The name is read from the environment variable REPRO_ADAPTER_NAME. The few Vulkan and loader
 * types that are needed are declared here after the public specification (vulkan_core.h, vk_layer.h of
 * the loader interface, version 2), so that building needs a C compiler and no Vulkan headers.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef void (*PFN_void)(void);
typedef PFN_void (*PFN_get_proc)(void *handle, const char *name);

enum { VK_SUCCESS = 0, VK_ERROR_INITIALIZATION_FAILED = -3 };
enum { LOADER_INSTANCE_CREATE_INFO = 47, LOADER_DEVICE_CREATE_INFO = 48 };
enum { LAYER_LINK_INFO = 0 };
enum { DRIVER_PROPERTIES = 1000196000, VULKAN_1_2_PROPERTIES = 52 };
enum { DEVICE_NAME_BYTES = 256, DRIVER_TEXT_BYTES = 256 };
/* Above are Khronos' own numbers, Mesa's for one, below those of PCI. Google's is SwiftShader's. */
enum { VENDOR_GOOGLE = 0x1AE0, VENDOR_KHRONOS = 0x10000, VENDOR_NONE = 0 };

/* VkPhysicalDeviceProperties up to deviceName; VkPhysicalDeviceProperties2 wraps it. */
struct properties {
  uint32_t api_version, driver_version, vendor_id, device_id;
  int32_t device_type;
  char device_name[DEVICE_NAME_BYTES];
};
struct properties2 {
  int32_t type;
  void *next;
  struct properties properties;
};

/* How VkPhysicalDeviceDriverProperties and VkPhysicalDeviceVulkan12Properties both begin. */
struct driver_properties {
  int32_t type;
  struct driver_properties *next;
  int32_t driver_id;
  char driver_name[DRIVER_TEXT_BYTES], driver_info[DRIVER_TEXT_BYTES];
};

/* What the loader hangs into the create info's chain: the next layer's (or driver's) entry points. */
struct link {
  struct link *next;
  PFN_get_proc get_instance_proc;
  PFN_get_proc get_other_proc; /* instance: physical device functions; device: device functions */
};
struct link_info {
  int32_t type;
  struct link_info *next;
  int32_t function;
  struct link *link;
};
struct create_info {
  int32_t type;
  struct link_info *next;
};
struct negotiate {
  int32_t type;
  void *next;
  uint32_t version;
  PFN_get_proc get_instance_proc, get_device_proc, get_physical_device_proc;
};

typedef int (*PFN_create_instance)(const struct create_info *info, const void *allocator, void **instance);
typedef int (*PFN_create_device)(void *physical, const struct create_info *info, const void *allocator, void **device);
typedef void (*PFN_get_properties)(void *physical, struct properties *properties);
typedef void (*PFN_get_properties2)(void *physical, struct properties2 *properties);

/* All instances and devices of a process share one chain, so one set of next pointers serves. They are
 * asked for as soon as an instance is made: later the loader would answer with our own functions. */
static PFN_get_proc next_instance_proc, next_device_proc;
static PFN_create_device next_create_device;
static PFN_get_properties next_properties;
static PFN_get_properties2 next_properties2;

static struct link_info *find_link(const struct create_info *info, int32_t type) {
  struct link_info *found = info->next;
  while (found != NULL && !(found->type == type && found->function == LAYER_LINK_INFO)) found = found->next;
  return found;
}

static const char *presented_name(void) {
  const char *name = getenv("REPRO_ADAPTER_NAME");
  return name != NULL && name[0] != '\0' ? name : NULL;
}

static int is_hardware(uint32_t vendor) { return vendor != VENDOR_GOOGLE && vendor < VENDOR_KHRONOS; }

static void rename_device(struct properties *properties) {
  const char *name = presented_name();
  if (name == NULL) return;
  snprintf(properties->device_name, DEVICE_NAME_BYTES, "%s", name);
  if (is_hardware(properties->vendor_id)) properties->vendor_id = VENDOR_NONE;
}

static void leave_out_driver(struct driver_properties *chained) {
  for (; chained != NULL; chained = chained->next) {
    if (chained->type != DRIVER_PROPERTIES && chained->type != VULKAN_1_2_PROPERTIES) continue;
    chained->driver_name[0] = '\0';
    chained->driver_info[0] = '\0';
  }
}

static int create_instance(const struct create_info *info, const void *allocator, void **instance) {
  struct link_info *chain = find_link(info, LOADER_INSTANCE_CREATE_INFO);
  if (chain == NULL) return VK_ERROR_INITIALIZATION_FAILED;
  next_instance_proc = chain->link->get_instance_proc;
  chain->link = chain->link->next;
  PFN_create_instance create = (PFN_create_instance)next_instance_proc(NULL, "vkCreateInstance");
  if (create == NULL) return VK_ERROR_INITIALIZATION_FAILED;
  int result = create(info, allocator, instance);
  if (result != VK_SUCCESS) return result;
  next_create_device = (PFN_create_device)next_instance_proc(*instance, "vkCreateDevice");
  next_properties = (PFN_get_properties)next_instance_proc(*instance, "vkGetPhysicalDeviceProperties");
  next_properties2 = (PFN_get_properties2)next_instance_proc(*instance, "vkGetPhysicalDeviceProperties2");
  if (next_properties2 == NULL)
    next_properties2 = (PFN_get_properties2)next_instance_proc(*instance, "vkGetPhysicalDeviceProperties2KHR");
  return result;
}

static int create_device(void *physical, const struct create_info *info, const void *allocator, void **device) {
  struct link_info *chain = find_link(info, LOADER_DEVICE_CREATE_INFO);
  if (chain == NULL || next_create_device == NULL) return VK_ERROR_INITIALIZATION_FAILED;
  next_device_proc = chain->link->get_other_proc;
  chain->link = chain->link->next;
  return next_create_device(physical, info, allocator, device);
}

static void get_properties(void *physical, struct properties *properties) {
  next_properties(physical, properties);
  rename_device(properties);
}

static void get_properties2(void *physical, struct properties2 *properties) {
  next_properties2(physical, properties);
  if (presented_name() != NULL && is_hardware(properties->properties.vendor_id)) leave_out_driver(properties->next);
  rename_device(&properties->properties);
}

static PFN_void get_device_proc(void *device, const char *name) {
  if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_void)get_device_proc;
  return next_device_proc != NULL ? next_device_proc(device, name) : NULL;
}

static PFN_void get_instance_proc(void *instance, const char *name) {
  static const struct {
    const char *name;
    PFN_void function;
  } ours[] = {
      {"vkCreateInstance", (PFN_void)create_instance},
      {"vkCreateDevice", (PFN_void)create_device},
      {"vkGetPhysicalDeviceProperties", (PFN_void)get_properties},
      {"vkGetPhysicalDeviceProperties2", (PFN_void)get_properties2},
      {"vkGetPhysicalDeviceProperties2KHR", (PFN_void)get_properties2},
      {"vkGetInstanceProcAddr", (PFN_void)get_instance_proc},
      {"vkGetDeviceProcAddr", (PFN_void)get_device_proc},
  };
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
    if (strcmp(name, ours[i].name) == 0) return ours[i].function;
  return next_instance_proc != NULL ? next_instance_proc(instance, name) : NULL;
}

EXPORT int vkNegotiateLoaderLayerInterfaceVersion(struct negotiate *negotiate) {
  if (negotiate->version < 2) return VK_ERROR_INITIALIZATION_FAILED;
  negotiate->version = 2;
  negotiate->get_instance_proc = get_instance_proc;
  negotiate->get_device_proc = get_device_proc;
  negotiate->get_physical_device_proc = NULL;
  return VK_SUCCESS;
}
