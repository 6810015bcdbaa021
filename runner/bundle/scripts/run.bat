@echo off
rem Runs the bundle on a phone on this computer's cable. ADB names adb, ANDROID_SERIAL the phone where there are several.
rem   run.bat            run what has not run yet
rem   run.bat collect    fetch what has run so far, without running more
setlocal
cd /d "%~dp0"
if not defined ADB set ADB=adb
set ADB=%ADB:"=%
for /f "tokens=1,2 delims==" %%a in (suite\settings.sh) do set bundle_%%a=%%b
if not defined bundle_id (echo this is no unpacked bundle: unpack the whole archive, then run it there & exit /b 2)
set parent=/data/local/tmp/mali-delegate-repro
set place=%parent%/bundle-%bundle_id%
"%ADB%" version >nul 2>nul
if not %errorlevel%==0 (echo no adb here: install Android's platform-tools, or name it in ADB & exit /b 2)
echo %bundle_push_mb% MB go to %place% on the device, and are removed again at the end
set tries=0
:again
"%ADB%" get-state >nul 2>nul
if not %errorlevel%==0 echo waiting for the device: look at its screen, and at what adb devices says
"%ADB%" wait-for-device
if not %errorlevel%==0 (echo adb finds no single device: with several, name one in ANDROID_SERIAL & exit /b 3)
"%ADB%" shell "sh %place%/suite/device.sh check" <nul >nul 2>nul
if %errorlevel%==0 goto run
"%ADB%" shell "mkdir -p %place%" <nul
"%ADB%" push suite "%place%/" >nul
if %errorlevel%==0 goto run
"%ADB%" get-state >nul 2>nul
if %errorlevel%==0 (echo the bundle cannot be copied onto the device: free some room there & exit /b 5)
:run
"%ADB%" shell "exec sh %place%/suite/device.sh %~1" <nul
set code=%errorlevel%
if %code%==0 goto done
if %code%==2 exit /b 2
if %code%==3 goto refused
if %code%==5 exit /b 5
if %code%==130 exit /b 130
if %code%==143 exit /b 143
set /a tries+=1
if %tries% geq 10 (echo cut ten times: look at cable and device, then run this again; it goes on & exit /b 4)
echo the device went away, or a file was damaged on the way: waiting for it
timeout /t 2 /nobreak >nul 2>nul
goto again
:refused
call :fetch
exit /b 3
:done
call :fetch
if not %errorlevel%==0 (echo results.zip cannot be fetched from the device: try run.bat collect & exit /b 5)
if "%~1"=="" "%ADB%" shell "rm -rf %place%; rmdir %parent% 2>/dev/null" <nul
exit /b 0
:fetch
"%ADB%" pull "%place%/results.zip" results.zip.part >nul 2>nul
if not %errorlevel%==0 exit /b 1
move /y results.zip.part results.zip >nul
if not %errorlevel%==0 exit /b 1
echo "%cd%\results.zip" is what to send back
exit /b 0
