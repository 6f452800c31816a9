/* Functions of numbers as the Go that Prometheus is built with has them on amd64: results that differ from the C library's in the last digit. Private to this folder. */
#ifndef MOONGATE_PROMQL_GO_MATH_H
#define MOONGATE_PROMQL_GO_MATH_H

double go_exp(double x);
double go_log(double x);
/* Of a power of two it is exact. */
double go_log2(double x);
double go_log10(double x);

/* go_trig.c */
double go_sin(double x);
double go_cos(double x);
double go_tan(double x);
double go_asin(double x);
double go_acos(double x);
double go_atan(double x);
double go_atan2(double y, double x);
double go_sinh(double x);
double go_cosh(double x);
double go_tanh(double x);
double go_asinh(double x);
double go_acosh(double x);
double go_atanh(double x);

/* An infinity that decides does so beside NaN, too, and -0 is less than +0. */
double go_min(double a, double b);
double go_max(double a, double b);

#endif
