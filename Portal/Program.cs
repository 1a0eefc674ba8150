using Portal.Shell;

var builder = WebApplication.CreateBuilder(args);
#pragma warning disable RS0030 // the one place that names the real clock
builder.Services.AddSingleton(TimeProvider.System);
#pragma warning restore RS0030
builder.Services.AddPortalShell();
builder.Services.AddAuthorization();

var app = builder.Build();
app.UsePortalShell();
app.UseAuthorization();
app.UseAntiforgery();
app.MapPortalShell();
app.Run();
