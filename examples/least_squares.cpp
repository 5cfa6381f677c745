// least_squares.cpp - the library from C++: an objective as a class, errors as exceptions outside the workers.
#include <cstdio>
#include <hogwild.h>
#include <stdexcept>
#include <vector>

class LeastSquares
{
  public:
    LeastSquares(std::uint32_t rows, std::size_t features) : features_(features), x_(rows * features), y_(rows)
    {
        hw_rng rng;
        hw_rng_seed(&rng, 1, 0);
        for (std::uint32_t i = 0; i < rows; i++)
            for (std::size_t j = 0; j < features; j++)
                y_[i] += (x_[i * features + j] = static_cast<float>(hw_rng_normal(&rng))) * static_cast<float>(j);
        objective_ = hw_objective_defaults("least squares", features);
        objective_.self = this;
        objective_.examples = rows;
        objective_.loss_gradient = [](void *self, void *, const hw_batch *batch, const float *x, float *g) {
            return static_cast<const LeastSquares *>(self)->gradient(*batch, x, g);
        };
    }
    std::vector<float> train(const hw_config &config) const
    {
        std::vector<float> x(features_);
        hw_result result;
        if (hw_train(&objective_, &config, x.data(), &result) != HW_OK) throw std::runtime_error(result.message);
        return x;
    }

  private:
    double gradient(const hw_batch &batch, const float *x, float *g) const
    {
        double loss = 0;
        for (std::size_t j = 0; j < features_; j++) g[j] = 0;
        for (std::uint32_t i = 0; i < batch.count; i++) {
            const float *row = &x_[batch.index[i] * features_];
            float error = -y_[batch.index[i]];
            for (std::size_t j = 0; j < features_; j++) error += row[j] * x[j];
            for (std::size_t j = 0; j < features_; j++) g[j] += error * row[j] / static_cast<float>(batch.count);
            loss += 0.5 * error * error / batch.count;
        }
        return loss;
    }
    std::size_t features_;
    std::vector<float> x_, y_;
    hw_objective objective_;
};

int main()
{
    try {
        hw_config config = hw_config_defaults();
        config.workers = 2;
        config.epochs = 10;
        std::vector<float> x = LeastSquares(4096, 16).train(config);
        std::printf("last weight %.3f (15 is right)\n", static_cast<double>(x.back()));
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
