// The displacements of an elastic map (`engine/elastic.rs`): noise, which a stage of its own then
// blurs. This leaves the noise in canvas 1 of `ElasticArgs`, and the plan of that stage.
#pragma once

#include "args.cuh"
#include "noise.cuh"

struct ElasticArgs {
    Rows plans;
    Rows scratch;
    // In the scratch of a row: the noise, x and then y of one slice, and a `PlanHeader` with a plan.
    uint64_t noise;
    uint64_t plan;
    uint32_t stage;
    uint32_t first;
    uint32_t mixed_only;
    uint32_t unused;
};

static_assert(sizeof(ElasticArgs) == 64, "arguments of another layout");

// The blur of one slice from canvas 1 into canvas 2, in the displacements' unit.
__device__ inline void write_blur(const StagePlan &plan, StagePlan &blur) {
    blur = plan;
    blur.head = Head::Blur;
    blur.border = Border::Constant;
    blur.from = 1;
    blur.to = 2;
    for (int k = 0; k < 3; ++k) {
        int len = k == D ? 1 : plan.size[k];
        blur.source[k] = blur.middle[k] = blur.resampled[k] = blur.size[k] = blur.window_end[k] = len;
        blur.window_start[k] = 0;
        blur.before.axis[k] = blur.after.axis[k] = k;
        blur.before.sign[k] = blur.after.sign[k] = 1;
        blur.before.offset[k] = blur.after.offset[k] = 0;
    }
    blur.ops_len = 1;
    blur.ops[0] = {OpCode::Affine, 0, {plan.amount, plan.amount}};
}

__device__ inline void draw_elastic(const ElasticArgs &args) {
    uint32_t row = args.first + blockIdx.y;
    StagePlan &blur = *args.scratch.at<StagePlan>(row, args.plan + sizeof(PlanHeader));
    const StagePlan &plan = plan_of(args.plans, row, args.stage);
    bool takes_part = !args.mixed_only || args.plans.at<const PlanHeader>(row)->mixed;
    bool is_elastic = takes_part && plan.head == Head::Elastic;
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        blur.head = Head::Skip;
        if (is_elastic) write_blur(plan, blur);
    }
    if (!is_elastic) return;
    Noise noise = {plan.noise, plan.field_stream};
    float *drawn = args.scratch.at<float>(row, args.noise);
    int numbers = 2 * plan.size[H] * plan.size[W];
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < numbers; i += gridDim.x * blockDim.x) {
        drawn[i] = uniform(noise, uint32_t(i)) * 2.0f + -1.0f;
    }
}
