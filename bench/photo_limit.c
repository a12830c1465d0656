/* The least that a JPEG can cost: libjpeg-turbo decodes at the coarsest scale that still covers the print, and encodes a print.
 *
 * photo_limit REPETITIONS WIDTH HEIGHT QUALITY FILE...
 *
 * In one process and from files in memory; no check, no turn, no colour management, no resampling: the print is cut from the
 * corner of the scaled picture. Prints CPU seconds of one repetition over all files, reading included, one repetition a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <jpeglib.h>

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static unsigned char *read_file(const char *path, unsigned long *size) {
    FILE *file = fopen(path, "rb");
    if (!file) exit(3);
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    unsigned char *data = malloc(*size);
    if (!data || fread(data, 1, *size, file) != *size) exit(3);
    fclose(file);
    return data;
}

static void one(const char *path, unsigned width, unsigned height, int quality) {
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct out;
    unsigned long size, encoded_size = 0;
    unsigned char *data = read_file(path, &size), *encoded = NULL;

    in.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&in);
    jpeg_mem_src(&in, data, size);
    jpeg_read_header(&in, TRUE);
    in.out_color_space = JCS_RGB;
    /* A photo on its side is printed on its side here; which of its sides is the long one decides the same scale. */
    unsigned w = width, h = height;
    if ((in.image_width > in.image_height) != (width > height)) { w = height; h = width; }
    in.scale_num = 1;
    for (in.scale_denom = 8; in.scale_denom > 1; in.scale_denom /= 2)
        if (in.image_width >= w * in.scale_denom && in.image_height >= h * in.scale_denom) break;
    jpeg_start_decompress(&in);
    unsigned long stride = (unsigned long)in.output_width * 3;
    unsigned char *pixels = malloc(stride * in.output_height);
    if (!pixels || in.output_width < w || in.output_height < h) exit(3);
    while (in.output_scanline < in.output_height) {
        JSAMPROW row = pixels + stride * in.output_scanline;
        jpeg_read_scanlines(&in, &row, 1);
    }
    jpeg_finish_decompress(&in);
    jpeg_destroy_decompress(&in);

    out.err = jpeg_std_error(&errors);
    jpeg_create_compress(&out);
    jpeg_mem_dest(&out, &encoded, &encoded_size);
    out.image_width = w;
    out.image_height = h;
    out.input_components = 3;
    out.in_color_space = JCS_RGB;
    jpeg_set_defaults(&out);
    jpeg_set_quality(&out, quality, TRUE);
    out.comp_info[0].h_samp_factor = out.comp_info[0].v_samp_factor = 1; /* 4:4:4, as the product writes */
    jpeg_start_compress(&out, TRUE);
    while (out.next_scanline < out.image_height) {
        JSAMPROW row = pixels + stride * out.next_scanline;
        jpeg_write_scanlines(&out, &row, 1);
    }
    jpeg_finish_compress(&out);
    jpeg_destroy_compress(&out);
    free(encoded);
    free(pixels);
    free(data);
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    for (int repetition = 0; repetition < atoi(argv[1]); repetition++) {
        double start = cpu_seconds();
        for (int index = 5; index < argc; index++) one(argv[index], atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
        printf("%.9f\n", cpu_seconds() - start);
    }
    return 0;
}
